"""Fixing what the final stage compares: the experts, the single network, the cost of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Trial
from moesaic.data import Dataset
from moesaic.errors import RunFailed
from moesaic.runs._clock import closed_by
from moesaic.runs._context import load_context
from moesaic.runs._pace import rungs_of
from moesaic.runs._price import mistaken
from moesaic.runs._session import SearchSession
from moesaic.runs._specialise import Choice
from moesaic.runs._variants import Design, gate_macs, matched
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, SearchSpace, SizedSpace
from moesaic.structure import Partition


def design_final(
    session: SearchSession,
    space: SearchSpace,
    choice: Choice,
    partition: Partition,
    gate_size: float = 1.0,
) -> Design:
    """Fix the inference cost that every variant is matched to: the searched mixture's own.

    Without a price on compute the search does not choose sizes, so the experts too are brought to
    one size, their usage-weighted mean: then the cost is the same whatever the gate decides. With
    one they keep their own sizes, and the others are matched to the cost that the shares of the
    clusters let expect.

    Args:
        session: the run.
        space: builds and resizes the architectures.
        choice: the experts and the routing.
        partition: its shares weigh the experts' costs.
        gate_size: factor on the channels of every mixture's gate.
    """
    dataset = load_context(str(session.folder.path)).dataset
    shape, classes = dataset.input_shape, len(dataset.classes)
    usage = np.zeros(len(choice.experts))
    np.add.at(usage, np.asarray(choice.routing), partition.shares)
    costs = np.array([expert.macs for expert in choice.experts], dtype=np.float64)
    gate = gate_macs(shape, len(choice.experts), gate_size)
    active = min(session.config.top_k, len(choice.experts))
    each = round(float(usage @ costs))
    target = active * each + gate
    best = best_single(session, partition.shares)
    if isinstance(space, SizedSpace):
        best = best_shape(session, space, [best, *choice.architectures], target, partition.shares)
    own_sizes = session.config.priced
    domains = len(dataset.domain_names or ())
    return Design(
        config=session.config,
        space=space,
        input_shape=shape,
        classes=classes,
        domains=domains,
        experts=tuple(
            expert if own_sizes else matched(space, expert, each, shape, classes)
            for expert in choice.architectures
        ),
        routing=choice.routing,
        target=target,
        single=matched(space, best, target, shape, classes),
        copy=matched(space, best, each, shape, classes),
        recipe=session.config.recipe,
        domain_experts=serving(dataset, choice.routing, partition),
        gate_size=gate_size,
    )


def best_shape(
    session: SearchSession,
    space: SizedSpace,
    cells: Sequence[Architecture],
    target: int,
    weight: NDArray[np.float64],
) -> Architecture:
    """Return what is the best single network at some cost, whatever its depth and resolution.

    An architecture of the highest rung was drawn at one size, and may owe its place to that size:
    as wide as the cost allows at half the resolution it may be far worse than narrow at the whole
    one. So each cell is trained on all data at every depth and stem, brought to the cost by its
    widths, for as long as the sizes of experts are. The experts' cells are among them: baselines
    shall have all that the search found out.

    Args:
        session: the run.
        space: gives the shapes.
        cells: the best architecture, then others; cells that come again are left out.
        target: multiply-accumulates of one sample.
        weight: shares (M,) of the clusters.
    """
    known: dict[str, Any] | None = session.bank.meta("single_shape")
    if known is not None:
        return Architecture.from_dict(known)
    dataset = load_context(str(session.folder.path)).dataset
    shape, classes = dataset.input_shape, len(dataset.classes)
    distinct = {space.sizes(cell)[0].key: cell for cell in reversed(cells)}
    found = [one for cell in distinct.values() for one in space.shapes(cell)]
    sized = list(
        {
            one.key: one for one in (matched(space, cell, target, shape, classes) for cell in found)
        }.values()
    )
    best = cells[0]
    if len(sized) > 1 and not closed_by(session, "single_shape_closed", 0, 0.5):
        recipe = session.config.recipe.for_epochs(2 * rungs_of(session)[-1]).to_dict()
        seed = derive_seed(session.config.seed, "single-shape")
        trials = [
            Trial("expert", "single-shape", index, seed, architecture, recipe=recipe)
            for index, architecture in enumerate(sized)
        ]
        done = session.perform("best single network", trials, some_must_succeed=False)
        measured = mistaken([one for one in done if one is not None])
        if measured:
            least = min(
                measured,
                key=lambda o: (float(np.nan_to_num(o.loss, nan=1.0) @ weight), o.trial.key),
            )
            best = least.trial.architecture or best
    session.bank.set_meta("single_shape", best.to_dict())
    return best


def serving(dataset: Dataset, routing: Sequence[int], partition: Partition) -> tuple[int, ...]:
    """Return the expert that serves most of every domain, none where no domain is known.

    Args:
        dataset: names the domains; one without training samples gets the first expert.
        routing: the expert of every cluster, (M,).
        partition: of the data.
    """
    domains = dataset.train.domains
    if domains is None or dataset.domain_names is None:
        return ()
    table = np.zeros((len(dataset.domain_names), max(routing) + 1), np.int64)
    np.add.at(table, (domains.numpy(), np.asarray(routing)[partition.train]), 1)
    return tuple(int(expert) for expert in table.argmax(axis=1))


def best_single(session: SearchSession, weight: NDArray[np.float64]) -> Architecture:
    """Return the architecture of the highest rung with the least loss over all data.

    Args:
        session: the run.
        weight: shares (M,) of the clusters.
    """
    highest = f"rung-{len(session.config.rungs) - 1}"
    found = session.bank.observations(stage=highest)
    if not found:
        raise RunFailed("no architecture reached the highest rung: see moesaic status")
    best = min(found, key=lambda o: (float(np.nan_to_num(o.loss, nan=1e3) @ weight), o.trial.key))
    if best.trial.architecture is None:
        raise RunFailed("the highest rung holds a trial without an architecture")
    return best.trial.architecture
