"""A cascade out of one search: of the sizes it tried, the two of every expert that go together.

A search under a price trains every expert's cell at several sizes. What these answered on the
validation split tells, without a training, which cheap and which dear mixture of them make the best
cascade; the two mixtures are then trained as the search trained its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank, Observation, Trial
from moesaic.config import SearchConfig
from moesaic.errors import DiskFull, InputError, RunFailed
from moesaic.mixture import Deployed
from moesaic.runs._context import load_context, load_partition, make_space
from moesaic.runs._folder import RunFolder
from moesaic.runs._hand_over import trained_model
from moesaic.runs._lifecycle import extend
from moesaic.runs._price import PER_MAC
from moesaic.runs._progress import Watcher
from moesaic.runs._session import Session
from moesaic.runs._specialise import sizes_stage
from moesaic.runs._structure import cluster_weight
from moesaic.runs._variants import gate_macs
from moesaic.runs._work import trained_experts
from moesaic.selection import choose_stages

_MIXTURE = "final-0-mixture"
# multiples of a price or a limit, the nearest first
_NEARBY = [2.0 ** (sign * step / 2) for step in range(1, 13) for sign in (1, -1)]


@dataclass(frozen=True)
class Aim:
    """What a cascade out of one search is to be good at: one of the two is None.

    Attributes:
        price: points of accuracy that a million multiply-accumulates must buy.
        max_macs: most multiply-accumulates of a sample in the mean.
    """

    price: float | None
    max_macs: float | None

    def __str__(self) -> str:
        """Return it in words."""
        if self.price is not None:
            return f"{self.price:g} points a million MACs"
        return f"{self.max_macs:,.0f} MACs"


@dataclass(frozen=True)
class Trained:
    """A mixture that was trained to be a stage.

    Attributes:
        model: the mixture.
        trial: the key of its training.
        experts: its experts in words.
    """

    model: Deployed
    trial: str
    experts: tuple[str, ...]


def aim_of(folder: RunFolder, price: float | None, max_macs: float | None) -> Aim:
    """Return what was asked for, or what the search itself aimed at where nothing was.

    Raises:
        InputError: no search; nothing was asked for, and it had neither a price nor a limit.
    """
    config = _search_of(folder)
    if price is None and max_macs is None:
        price, max_macs = config.price, None if config.price is not None else config.max_macs
    if price is None and max_macs is None:
        raise InputError(
            f"{folder.path} was searched without a price, so it tried no sizes of its experts: "
            "search with --price, or name two runs"
        )
    return Aim(price, max_macs)


def train_stages(
    folder: RunFolder, aim: Aim, watcher: Watcher, out: str | Path, again: Sequence[str]
) -> list[Trained]:
    """Train the two mixtures of a finished search that go together best, in the run's own bank.

    Args:
        folder: of the search.
        aim: what the cascade is to be good at.
        watcher: is told of progress.
        out: where the cascade goes.
        again: the options that were given, for a person who interrupts.

    Returns:
        The mixtures, the cheap one first.

    Raises:
        InputError: no two sizes go together; the disk is full.
        RunFailed: a training failed.
        Interrupted: stopped by the person.
    """
    config = _search_of(folder)

    def work(session: Session[SearchConfig]) -> list[Trained]:
        trials = plan_stages(folder, session.bank, config, aim)
        if len(trials) < 2:
            raise InputError(
                f"at {aim} no two mixtures of the sizes that {folder.path} tried go together "
                "better than one alone: use the run's own model, "
                f"{_another(folder, session.bank, config, aim)}, or name two runs"
            )
        session.estimate.total = sum(session.work(trial) for trial in trials)
        session.perform("stages of the cascade", trials, some_must_succeed=False)
        for name, trial in zip(("cheap", "dear"), trials, strict=True):
            for failure in session.bank.failures():
                if failure.trial.key == trial.key:
                    raise RunFailed(
                        f"the {name} mixture of the cascade failed ({failure.cause}: "
                        f"{failure.message}): the same command tries it again; or give another "
                        "--price, or name two runs"
                    )
        context = load_context(str(folder.path))
        space = make_space(config, context.dataset)
        return [
            Trained(
                trained_model(session.bank, trial, context),
                trial.key,
                tuple(space.describe(expert) for expert in trained_experts(trial)),
            )
            for trial in trials
        ]

    command = shlex.join(["moesaic", "cascade", str(folder.path), "--out", str(out), *again])
    # what the search was given to spend is spent
    endless = config.model_copy(update={"budget": None})
    try:
        return extend(folder, endless, watcher, command, work)
    except DiskFull:
        raise InputError(
            f"no space left on the disk for {folder.path}: free some, then give the same command"
        ) from None


def _another(folder: RunFolder, bank: Bank, config: SearchConfig, aim: Aim) -> str:
    """Return the nearest aim at which two mixtures do go together, as advice."""
    for factor in _NEARBY:
        if aim.price is not None:
            near = Aim(float(f"{factor * (aim.price or 0.1):.3g}"), None)
            option = f"--price {near.price!r}"
        else:
            near = Aim(None, float(round(factor * (aim.max_macs or 0.0))))
            option = f"--max-macs {near.max_macs:.0f}"
        try:
            planned = plan_stages(folder, bank, config, near)
        except InputError:  # a limit that nothing keeps to
            continue
        if len(planned) > 1:
            return f"give {option}, where two do"
    option = "--price" if aim.price is not None else "--max-macs"
    return f"give another {option} (none of {len(_NEARBY)} that were looked at would do)"


def plan_stages(folder: RunFolder, bank: Bank, config: SearchConfig, aim: Aim) -> list[Trial]:
    """Return the mixtures to train, the cheap one first; one alone where no second answer pays.

    Both have the routing, the gate, the recipe and the seed of the searched mixture; where one of
    them is that mixture, it was trained already.

    Args:
        folder: of a finished search.
        bank: its bank.
        config: its settings.
        aim: what the cascade is to be good at.

    Raises:
        InputError: the search tried no sizes, or none of the groups it serves; nothing keeps to the
            limit.
        DamagedRun: stored answers are missing or damaged.
    """
    path = str(folder.path)
    mixtures = bank.observations(stage=_MIXTURE)
    if not mixtures or not isinstance(mixtures[0].trial.payload.get("routing"), list):
        raise InputError(f"{path} trained no mixture of its own: name two runs")
    mixture = mixtures[0].trial
    routing = np.array(mixture.payload["routing"], np.int64)
    count = len(mixture.payload["experts"])
    sized = bank.observations(stage=sizes_stage(config, count))
    if not sized:
        why = (
            "its budget, its rounds or its space left none to try: name two runs"
            if config.priced
            else "search with --price, or name two runs"
        )
        raise InputError(f"{path} tried no sizes of its experts: {why}")
    dataset = load_context(path).dataset
    partition = load_partition(path)
    sure, right = _answers(bank, sized, dataset.validation.labels.numpy())
    try:
        choice = choose_stages(
            sure,
            right,
            [one.macs for one in sized],
            routing[partition.validation],
            price=None if aim.price is None else PER_MAC * aim.price,
            max_macs=aim.max_macs,
            serves=_serves(path, sized, routing, cluster_weight(partition)),
            gate=gate_macs(
                dataset.input_shape, count, float(mixture.payload.get("gate_size", 1.0))
            ),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    trials = [
        replace(
            mixture,
            stage=f"cascade-{aim.price!r}-{aim.max_macs!r}-{stage}",
            payload={
                **mixture.payload,
                "experts": [_words(sized[int(row)]) for row in choice.experts[:, stage]],
            },
        )
        for stage in range(2)
    ]
    failed = {failure.trial.key for failure in bank.failures()}
    return list({trial.key: _once_more(trial, failed) for trial in trials}.values())


def _once_more(trial: Trial, failed: Collection[str]) -> Trial:
    """Return a training, as a new trial if it failed before: a failed one stays on record."""
    again, first = 0, trial
    while trial.key in failed:
        again += 1
        trial = replace(first, index=first.index + again, payload={**first.payload, "again": again})
    return trial


def _search_of(folder: RunFolder) -> SearchConfig:
    config = folder.config()
    if not isinstance(config, SearchConfig):
        raise InputError(f"{folder.path} is a {config.kind}: name a search, or two runs and more")
    return config


def _answers(
    bank: Bank, found: list[Observation], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how sure and whether right every expert was on the validation split, (E, N) each."""
    sure = np.zeros((len(found), len(labels)))
    right = np.zeros(sure.shape, bool)
    for row, one in enumerate(found):
        told = np.exp(bank.predictions(one.trial.key).astype(np.float64))
        # stored in half precision, so they need not sum to 1
        sure[row] = told.max(axis=1) / told.sum(axis=1)
        right[row] = told.argmax(axis=1) == labels
    return sure, right


def _serves(
    path: str,
    found: list[Observation],
    routing: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return who was trained for the clusters of every expert of the mixture, (E, K).

    Those are the specialists of one group of clusters, the one that holds most of the expert's
    samples. Two specialists of different groups are never stages of one another: each would be
    unsure of what the other was trained on, which no mixture's experts are.

    Raises:
        InputError: no group holds half of what an expert serves.
    """
    groups = np.array([one.trial.subset or (True,) * len(routing) for one in found], bool)
    able = np.zeros((len(found), int(routing.max()) + 1), bool)
    for expert in range(able.shape[1]):
        own = weight * (routing == expert)
        held = groups @ own
        best = int(held.argmax())
        if held[best] < 0.5 * own.sum():
            raise InputError(
                f"{path} tried no sizes of expert {expert} on what it serves now: name two runs"
            )
        able[:, expert] = (groups == groups[best]).all(axis=1)
    return able


def _words(one: Observation) -> dict[str, object]:
    architecture = one.trial.architecture
    if architecture is None:
        raise InputError(f"trial {one.trial.key} is of no architecture: the run is damaged")
    return architecture.to_dict()
