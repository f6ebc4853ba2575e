"""A cascade out of one search: of the sizes it tried, the two of every expert that go together.

A search under a price trains every expert's cell at several sizes. What these answered on the
validation split tells, without a training, which cheap and which dear mixture of them make the best
cascade; the two mixtures are then trained as the search trained its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank, Observation, Trial, read_predictions
from moesaic.config import SearchConfig
from moesaic.errors import InputError
from moesaic.runs._context import load_context, load_partition
from moesaic.runs._folder import RunFolder
from moesaic.runs._price import PER_MAC
from moesaic.runs._specialise import sizes_stage
from moesaic.runs._variants import gate_macs
from moesaic.selection import choose_stages

_MIXTURE = "final-0-mixture"


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
