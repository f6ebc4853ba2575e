"""The third stage of a search: choose K experts and the routing, specialise, choose again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank, Observation, Trial
from moesaic.config import SearchConfig
from moesaic.errors import InputError, RunFailed
from moesaic.runs._clock import closed_by, on_record
from moesaic.runs._context import load_context
from moesaic.runs._pace import rungs_of
from moesaic.runs._price import (
    guide_price,
    limit_of,
    mistaken,
    nats_of_a_mistake,
    price_of,
    priced,
)
from moesaic.runs._session import SearchSession
from moesaic.runs._sizing import Sizing
from moesaic.runs._structure import group_clusters
from moesaic.seeds import derive_seed
from moesaic.selection import Limits, Selection, select
from moesaic.spaces import Architecture, SearchSpace, SizedSpace

MISTAKES = "share of wrong answers"  # of a choice that pays for compute
_CANDIDATES = 2
_SHARE = 0.5  # of a budget, that rounds and sizes may begin in
STEP = _CANDIDATES + 1


@dataclass(frozen=True)
class Choice:
    """The experts of a mixture and which cluster each one serves.

    Attributes:
        experts: K observations.
        routing: the expert of every cluster, (M,).
        objective: mean validation loss of the routed samples, in nats; where compute has a price
            or a limit their share of wrong answers, plus what their compute costs.
        unit: of the objective.
        worth: share of right answers that a multiply-accumulate must buy, 0 where it costs nothing.
        proven: whether the selection was solved to optimality.
        history: the objective, in nats, after every round of specialisation; sizes, which are
            compared from scratch, are chosen after the last.
    """

    experts: tuple[Observation, ...]
    routing: tuple[int, ...]
    objective: float
    proven: bool
    history: tuple[float, ...]
    unit: str = "nats"
    worth: float = 0.0

    @property
    def architectures(self) -> list[Architecture]:
        """The experts' architectures, (K,)."""
        return [
            expert.trial.architecture
            for expert in self.experts
            if expert.trial.architecture is not None
        ]


def specialise(
    session: SearchSession,
    generalists: Sequence[Observation],
    weight: NDArray[np.float64],
    experts: int,
    gate: int = 0,
    groups: NDArray[np.int64] | None = None,
    space: SearchSpace | None = None,
) -> Choice:
    """Choose experts, train them on their clusters, choose again until nothing improves.

    The bank only grows and the incumbent stays in it, so the objective never gets worse. A
    specialist has the size of the generalist it continues; in a space of several sizes the chosen
    cells are then trained on their clusters, from scratch, at several sizes, and these are chosen
    among. Rounds are judged in nats; where compute has a price or a limit the last choice is made
    by wrong answers, which is what it is paid for.

    Args:
        session: the run.
        generalists: observations of the highest rung.
        weight: shares (M,) of the clusters.
        experts: K.
        gate: multiply-accumulates of the gate, which count in a limit.
        groups: the group (M,) of every cluster to start from; neighbouring ones when not given.
        space: the search space.

    Raises:
        RunFailed: no choice keeps to the limit on expected multiply-accumulates.
    """
    config = session.config
    bank = list(generalists)
    guide = guide_price(config, bank, weight, experts, gate)
    limit = limit_of(config, gate)
    if groups is not None and len(np.unique(groups)) < experts:
        session.watcher.say(
            "the strategy's groups leave an expert without clusters: neighbouring clusters are "
            "joined instead"
        )
        groups = None
    if groups is None:
        groups = group_clusters(str(session.folder.path), experts)
    told = dict(zip((found.trial.key for found in bank), bank, strict=True))
    parents = [
        [told[found.trial.key] for found in group]
        for group in best_of_groups(priced(bank, guide), weight, groups, experts, _CANDIDATES)
    ]
    history: list[float] = []
    choice: Selection | None = None
    for number in range(config.rounds):
        trials = _round(session, parents, groups, number)
        title = f"specialise {experts} experts, round {number + 1}"
        found = session.perform(title, trials, some_must_succeed=number == 0)
        # a control says what specialisation is worth; it knows no routing, so it is no candidate
        bank += [o for o in found if o is not None and o.trial.subset is not None]
        choice = choose(bank, weight, experts, price=guide, max_macs=limit)
        history.append(choice.objective)
        routed = np.asarray(choice.routing).argmax(axis=1).astype(np.int64)
        settled = np.array_equal(routed, groups)
        if settled or closed_by(session, f"rounds_closed_{experts}", number, _SHARE):
            break
        groups = routed
        parents = [[bank[position]] for position in choice.chosen]
    if choice is None:
        choice = choose(bank, weight, experts, price=guide, max_macs=limit)
        history.append(choice.objective)
    if isinstance(space, SizedSpace) and config.rounds and _time_for_sizes(session, experts):
        bank, choice = _choose_sizes(
            session, bank, choice, generalists, weight, guide, limit, space
        )
    elif config.priced:
        choice = choose(mistaken(bank), weight, experts, price=price_of(config), max_macs=limit)
    return Choice(
        experts=tuple(bank[position] for position in choice.chosen),
        routing=tuple(int(expert) for expert in np.asarray(choice.routing).argmax(axis=1)),
        objective=choice.objective,
        proven=choice.proven_optimal,
        history=tuple(history),
        unit=MISTAKES if config.priced else "nats",
        worth=guide / nats_of_a_mistake(generalists, weight),
    )


def _choose_sizes(
    session: SearchSession,
    bank: list[Observation],
    choice: Selection,
    generalists: Sequence[Observation],
    weight: NDArray[np.float64],
    guide: float,
    limit: float | None,
    space: SizedSpace,
) -> tuple[list[Observation], Selection]:
    """Train the chosen cells at several sizes, then between those about the best; choose again.

    Returns what was chosen among and the choice. What began anew is compared with what did, as the
    final trainings will; where an expert has no size that trained, nothing is exchanged.
    """
    config, experts = session.config, len(choice.chosen)
    price = price_of(config)
    dataset = load_context(str(session.folder.path)).dataset
    wide = [found for found in generalists if found.trial.subset is None] or list(generalists)
    sizing = Sizing(
        config,
        space,
        sizes_stage(config, experts),
        dataset.input_shape,
        len(dataset.classes),
        2 * rungs_of(session)[-1],
    )
    chosen = [bank[position] for position in choice.chosen]
    groups = np.asarray(choice.routing).argmax(axis=1).astype(np.int64)
    trials = sizing.first(chosen, wide, groups, weight, guide)
    found = session.perform(f"sizes of {experts} experts", trials, some_must_succeed=False)
    sized = [one for one in found if one is not None]
    masks = [tuple(bool(value) for value in groups == group) for group in range(experts)]
    if not {one.trial.subset for one in sized} >= set(masks):
        return bank, choose(mistaken(bank), weight, experts, price=price, max_macs=limit)
    choice = choose(mistaken(sized), weight, experts, price=price, max_macs=limit)
    finer = sizing.between([sized[position] for position in choice.chosen], sized)
    if finer:
        more = session.perform("sizes between", finer, some_must_succeed=False)
        sized += [one for one in more if one is not None]
        choice = choose(mistaken(sized), weight, experts, price=price, max_macs=limit)
    return sized, choice


def choose(
    bank: Sequence[Observation],
    weight: NDArray[np.float64],
    experts: int,
    *,
    price: float | None = 0.0,
    max_macs: float | None = None,
) -> Selection:
    """Solve the weighted k-median problem on the bank, every expert serving some cluster.

    Args:
        bank: E experts.
        weight: shares (M,) of the clusters.
        experts: K.
        price: of a multiply-accumulate, in the unit of the losses.
        max_macs: most expected multiply-accumulates of one sample, gate not counted.

    Raises:
        RunFailed: no choice keeps to `max_macs`.
    """
    loss = np.stack([observation.loss for observation in bank])
    macs = [observation.macs for observation in bank]
    share = float(min(weight[weight > 0])) if experts > 1 else 0.0
    limits = Limits(max_macs=max_macs, min_share=share)
    try:
        return select(loss, weight, experts, limits, macs=macs, price=price or 0.0)
    except InputError as error:
        if max_macs is None:
            raise
        raise RunFailed(
            f"no {experts} experts of the bank keep to the limit on MACs ({error}): raise "
            "--max-macs, or give more --trials or smaller width_choices"
        ) from None


def specialists_of(bank: Bank, experts: int) -> list[Observation]:
    """Return the specialists that were trained for K experts; controls are none."""
    found = bank.observations(kind="expert")
    prefix = f"specialise-{experts}-"
    return [o for o in found if o.trial.stage.startswith(prefix) and o.trial.subset is not None]


def best_of_groups(
    bank: Sequence[Observation],
    weight: NDArray[np.float64],
    groups: NDArray[np.int64],
    experts: int,
    count: int,
) -> list[list[Observation]]:
    """Return, for each group of clusters, the generalists with the least loss on it, best first.

    Args:
        bank: the generalists.
        weight: shares (M,) of the clusters.
        groups: the group of every cluster, (M,).
        experts: K, the number of groups.
        count: how many for each group, fewer where the bank holds fewer.
    """
    loss = np.nan_to_num(np.stack([observation.loss for observation in bank]), nan=1e3)
    best = []
    for group in range(experts):
        mask = groups == group
        order = np.argsort(loss[:, mask] @ weight[mask], kind="stable")
        best.append([bank[int(position)] for position in order[:count]])
    return best


def _time_for_sizes(session: SearchSession, experts: int) -> bool:
    return not on_record(session, f"sizes_closed_{experts}", lambda: session.out_of_time(_SHARE))


def sizes_stage(config: SearchConfig, experts: int) -> str:
    """Return the stage of the sizes of K experts: it follows the last round that may be."""
    return _stage(experts, config.rounds)


def _stage(experts: int, number: int) -> str:
    return f"specialise-{experts}-{number}"


def _round(
    session: SearchSession,
    parents: Sequence[Sequence[Observation]],
    groups: NDArray[np.int64],
    number: int,
) -> list[Trial]:
    """Plan one round: the candidates of each group continued on its clusters.

    In the first round the best candidate of a group is also continued on everything: the control
    of the value of specialisation. A group's trials take the places `STEP * group` and on, the
    control comes last.
    """
    config = session.config
    recipe = config.recipe.for_epochs(rungs_of(session)[-1]).to_dict()
    stage = _stage(len(parents), number)
    trials = []
    for group, candidates in enumerate(parents):
        subset = tuple(bool(value) for value in groups == group)
        wanted: list[tuple[int, Observation, tuple[bool, ...] | None]] = [
            (rank, candidate, subset) for rank, candidate in enumerate(candidates)
        ]
        if number == 0:
            wanted.append((STEP - 1, candidates[0], None))
        trials += [
            Trial(
                kind="expert",
                stage=stage,
                index=STEP * group + place,
                seed=derive_seed(config.seed, stage, group),
                architecture=parent.trial.architecture,
                subset=clusters,
                recipe=recipe,
                parent=parent.trial.key,
            )
            for place, parent, clusters in wanted
        ]
    return trials
