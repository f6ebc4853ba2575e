"""A cascade out of one search: of the sizes it tried, the two of every expert that go together.

A search under a price trains every expert's cell at several sizes. What these answered on the
validation split tells, without a training, which cheap and which dear mixture of them make the best
cascade; the two mixtures are then trained as the search trained its own.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank, Observation, Trial, read_predictions
from moesaic.config import SearchConfig
from moesaic.errors import InputError
from moesaic.mixture import Deployed
from moesaic.runs._context import load_context, load_partition
from moesaic.runs._folder import RunFolder
from moesaic.runs._hand_over import trained_model
from moesaic.runs._lifecycle import extend
from moesaic.runs._price import PER_MAC
from moesaic.runs._progress import Watcher
from moesaic.runs._session import Session
from moesaic.runs._specialise import sizes_stage
from moesaic.runs._variants import gate_macs
from moesaic.selection import choose_stages

_MIXTURE = "final-0-mixture"


def train_stages(
    folder: RunFolder,
    price: float | None,
    max_macs: float | None,
    watcher: Watcher,
    out: str | Path,
) -> tuple[float | None, list[Deployed]]:
    """Train the two mixtures of a finished search that go together best, in the run's own bank.

    Args:
        folder: of the search.
        price: points of accuracy that a million multiply-accumulates must buy; the search's own
            when None.
        max_macs: the limit that the cascade will have to keep to, None without one.
        watcher: is told of progress.
        out: where the cascade goes, for a person who interrupts.

    Returns:
        The price that thresholds are to be chosen at, None where a limit decides, and the models,
        the cheap one first.

    Raises:
        InputError: no search under a price; no two sizes go together at it.
        RunFailed: a training failed.
        Interrupted: stopped by the person.
    """
    config = folder.config()
    if not isinstance(config, SearchConfig):
        raise InputError(f"{folder.path} is a {config.kind}: name a search, or two runs and more")
    known = config.price if price is None else price
    if known is None:
        raise InputError(f"{folder.path} was searched without a price: give --price")
    at = known

    def work(session: Session[SearchConfig]) -> list[Deployed]:
        trials = plan_stages(folder, session.bank, config, at)
        if len(trials) < 2:
            raise InputError(
                f"at {at:g} points a million MACs no sizes that {folder.path} tried go together "
                "better than one mixture alone: give a lower --price"
            )
        session.perform("stages of the cascade", trials)
        context = load_context(str(folder.path))
        return [trained_model(session.bank, trial, context) for trial in trials]

    again = shlex.join(["moesaic", "cascade", str(folder.path), "--out", str(out)])
    again += "" if price is None else f" --price {price:g}"
    again += "" if max_macs is None else f" --max-macs {max_macs:g}"
    # what the search was given to spend is spent
    endless = config.model_copy(update={"budget": None})
    models = extend(folder, endless, watcher, again, work)
    return (at if max_macs is None else None), models


def plan_stages(folder: RunFolder, bank: Bank, config: SearchConfig, price: float) -> list[Trial]:
    """Return the mixtures to train, the cheap one first; one alone where no second answer pays.

    Both have the routing, the gate, the recipe and the seed of the searched mixture; where one of
    them is that mixture, it was trained already.

    Args:
        folder: of a finished search.
        bank: its bank.
        config: its settings.
        price: points of accuracy that a million multiply-accumulates must buy.

    Raises:
        InputError: the search tried no sizes, or its mixture was not trained.
        DamagedRun: stored answers are missing or damaged.
    """
    path = str(folder.path)
    mixtures = bank.observations(stage=_MIXTURE)
    if not mixtures or not isinstance(mixtures[0].trial.payload.get("routing"), list):
        raise InputError(f"{path} trained no mixture of its own: there is nothing to continue")
    mixture = mixtures[0].trial
    routing = np.array(mixture.payload["routing"], np.int64)
    count = len(mixture.payload["experts"])
    sized = bank.observations(stage=sizes_stage(config, count))
    if not sized:
        raise InputError(
            f"{path} tried no sizes of its experts: search with --price, or name two runs"
        )
    dataset = load_context(path).dataset
    partition = load_partition(path)
    labels = dataset.validation.labels.numpy()
    sure, right = _answers(folder, sized, labels)
    choice = choose_stages(
        sure,
        right,
        [one.macs for one in sized],
        routing[partition.validation],
        PER_MAC * price,
        serves=_serves(sized, routing, count),
        gate=gate_macs(dataset.input_shape, count, float(mixture.payload.get("gate_size", 1.0))),
    )
    trials = [
        replace(
            mixture,
            stage=f"cascade-{price:g}-{stage}",
            payload={
                **mixture.payload,
                "experts": [_words(sized[int(row)]) for row in choice.experts[:, stage]],
            },
        )
        for stage in range(2)
    ]
    return list({trial.key: trial for trial in trials}.values())


def _answers(
    folder: RunFolder, found: list[Observation], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how sure and whether right every expert was on the validation split, (E, N) each."""
    sure = np.zeros((len(found), len(labels)))
    right = np.zeros(sure.shape, bool)
    for row, one in enumerate(found):
        log = read_predictions(folder.path / "predictions" / f"{one.trial.key}.npy")
        told = np.exp(log.astype(np.float64))
        # stored in half precision, so they need not sum to 1
        sure[row] = told.max(axis=1) / told.sum(axis=1)
        right[row] = told.argmax(axis=1) == labels
    return sure, right


def _serves(found: list[Observation], routing: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return who was trained on all clusters of an expert, (E, K); everyone where nobody was."""
    subsets = np.array([one.trial.subset or (True,) * len(routing) for one in found], bool)
    able = np.stack([subsets[:, routing == expert].all(axis=1) for expert in range(count)], axis=1)
    able[:, ~able.any(axis=0)] = True
    return able


def _words(one: Observation) -> dict[str, object]:
    architecture = one.trial.architecture
    if architecture is None:
        raise InputError(f"trial {one.trial.key} is of no architecture: the run is damaged")
    return architecture.to_dict()
