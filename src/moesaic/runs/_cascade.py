"""Finished runs put in a cascade: a cheap model answers where it is sure, a dearer one the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moesaic.bank import Bank
from moesaic.data import Dataset, Split, open_dataset
from moesaic.errors import InputError
from moesaic.mixture import (
    Deployed,
    Mixture,
    answer_with_region,
    confidence_of,
    load_model,
    regions_of,
    save_cascade,
)
from moesaic.runs._evidence import paired_interval
from moesaic.runs._folder import RunFolder, open_folder, read_result, write_json
from moesaic.runs._price import PER_MAC
from moesaic.selection import CascadePoint, cascade_front, choose_thresholds, stage_of
from moesaic.training import count_macs

_BATCH = 256


@dataclass(frozen=True)
class Answers:
    """What one stage of a cascade answers to N samples, whether it is asked or not.

    Attributes:
        guess: the class, (N,).
        confidence: its probability, (N,).
        region: the expert that the gate chooses, (N,); 0 where there is no gate.
        regions: R, how many experts the gate chooses among; 1 where there is no gate.
        macs: multiply-accumulates that each sample costs, (N,), gate counted.
    """

    guess: NDArray[np.int64]
    confidence: NDArray[np.float64]
    region: NDArray[np.int64]
    regions: int
    macs: NDArray[np.float64]


def cascade(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    price: float | None = None,
    max_macs: float | None = None,
) -> dict[str, Any]:
    """Put the models of finished runs in a cascade, choose when to stop, measure it and save it.

    The thresholds are chosen on the validation split, the test split measures the outcome. Without
    a price and a limit the cascade is the cheapest that is as accurate on validation as the most
    accurate of the models.

    Args:
        runs: two or more finished runs on the same data, image size and seed; any order.
        out: a new directory: `model/`, which `load_model` and `moesaic predict` take, and
            `result.json`.
        price: points of accuracy that a million multiply-accumulates more must buy.
        max_macs: most multiply-accumulates of a validation sample in the mean.

    Returns:
        What `result.json` holds: `stages`, `thresholds`, `validation`, `test`, `front`.

    Raises:
        InputError: no runs, not finished, of different data; no cascade keeps to the limit.
        DamagedRun: a file of a run is damaged.
    """
    place = _new_directory(out)
    if len(runs) < 2:
        raise InputError("one run is no cascade: name two or more, on the same data")
    if price is not None and max_macs is not None:
        raise InputError("give --price or --max-macs, not both: either decides alone")
    for name, value, least in (("price", price, 0.0), ("max_macs", max_macs, 1.0)):
        if value is not None and not least <= value < np.inf:
            raise InputError(f"{name} is {value:g}, expected a number of {least:g} or more")
    folders = _same_data([open_folder(run) for run in runs])
    models = [load_model(folder.path) for folder in folders]
    dataset = open_dataset(folders[0].data, test=True)
    told = [ask(model, dataset.validation.inputs) for model in models]
    order = sorted(range(len(models)), key=lambda row: (told[row].macs.mean(), row))
    models = [models[row] for row in order]
    told = [told[row] for row in order]
    folders = [folders[row] for row in order]
    labels = dataset.validation.labels.numpy()
    front = front_of(told, labels)
    if price is not None:
        chosen = at_price(told, labels, price)
    else:
        chosen = _keeping(front, told, labels, max_macs)
    thresholds = chosen.thresholds.tolist()
    model = save_cascade(
        place / "model", models, thresholds, {"runs": [str(folder.path) for folder in folders]}
    )
    found = {
        "kind": "cascade",
        "status": "done",
        "run": str(place),
        "price": price,
        "max_macs": max_macs,
        "thresholds": thresholds,
        **_measured(model, models, told, dataset, chosen, folders),
        "front": [{"macs": point.macs, "accuracy": 1 - point.error} for point in front],
    }
    write_json(place / "result.json", found)
    return found


def ask(model: Deployed, inputs: Tensor) -> Answers:
    """Run a model on raw samples (N, ...), N >= 1, and keep what a cascade needs to know."""
    network, shape = model.network, model.input_shape
    if isinstance(network, Mixture):
        cost = np.array([count_macs(expert, shape) for expert in network.experts], np.float64)
        gate = count_macs(network.gate, shape)
    guess, confidence, region, macs = [], [], [], []
    model.eval()
    with torch.inference_mode():
        for start in range(0, inputs.shape[0], _BATCH):
            batch = model.normaliser(inputs[start : start + _BATCH])
            logits, chosen = answer_with_region(network, batch)
            guess.append(logits.argmax(dim=1).numpy())
            confidence.append(confidence_of(logits).double().numpy())
            region.append(chosen.numpy())
            if isinstance(network, Mixture):
                macs.append(gate + (network.route(batch) != 0).double().numpy() @ cost)
    paid = np.concatenate(macs) if macs else np.full(len(inputs), float(count_macs(network, shape)))
    return Answers(
        guess=np.concatenate(guess),
        confidence=np.concatenate(confidence),
        region=np.concatenate(region),
        regions=regions_of(network),
        macs=paid,
    )


def front_of(told: Sequence[Answers], labels: NDArray[np.int64]) -> list[CascadePoint]:
    """Return the front of the thresholds of stages that answered the same samples, cheapest first.

    Args:
        told: of every stage, cheapest first.
        labels: the true classes, (N,).
    """
    return cascade_front(*_tables(told, labels), told[0].region, told[0].regions)


def at_price(told: Sequence[Answers], labels: NDArray[np.int64], price: float) -> CascadePoint:
    """Return the thresholds that are best at a price, in points of accuracy per million MACs."""
    first = told[0]
    tables = _tables(told, labels)
    return choose_thresholds(*tables, PER_MAC * price, first.region, first.regions)


def stopped(told: Sequence[Answers], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stage at which each of N samples stops, (N,)."""
    return stage_of(np.stack([one.confidence for one in told]), thresholds, told[0].region)


def _tables(
    told: Sequence[Answers], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    return (
        np.stack([one.confidence for one in told]),
        np.stack([one.guess == labels for one in told]),
        np.stack([one.macs for one in told]),
    )


def _keeping(
    front: Sequence[CascadePoint],
    told: Sequence[Answers],
    labels: NDArray[np.int64],
    max_macs: float | None,
) -> CascadePoint:
    """Return the best point under a limit; without one, the cheapest as right as any stage."""
    if max_macs is None:
        goal = min(float((one.guess != labels).mean()) for one in told)
        return next(point for point in front if point.error <= goal + 1e-9)
    within = [point for point in front if point.macs <= max_macs]
    if not within:
        raise InputError(
            f"the cheapest model needs {front[0].macs:,.0f} multiply-accumulates a sample, over "
            f"the limit of {max_macs:,.0f}: raise --max-macs, or add a cheaper run"
        )
    return within[-1]


def _measured(
    model: Deployed,
    models: Sequence[Deployed],
    validated: Sequence[Answers],
    dataset: Dataset,
    chosen: CascadePoint,
    folders: Sequence[RunFolder],
) -> dict[str, Any]:
    """Return what the stages and the cascade do on validation and on test."""
    split = dataset.test
    told = [ask(one, split.inputs) for one in models]
    labels, everyone = split.labels.numpy(), np.arange(len(split))
    stage = _stages_of(model, split)
    right = np.stack([one.guess for one in told])[stage, everyone] == labels
    macs = np.cumsum(np.stack([one.macs for one in told]), axis=0)[stage, everyone]
    truth = dataset.validation.labels.numpy()
    validation = [float((one.guess == truth).mean()) for one in validated]
    best = int(np.argmax(validation))
    alone = [(one.guess == labels).astype(np.float64) for one in told]
    return {
        "stages": [
            {
                "run": str(folder.path),
                "macs": float(told[place].macs.mean()),
                "validation_accuracy": validation[place],
                "test_accuracy": float(alone[place].mean()),
                "reached": float((stage >= place).mean()),
            }
            for place, folder in enumerate(folders)
        ],
        "validation": {"accuracy": 1 - chosen.error, "macs": chosen.macs},
        "test": {
            "accuracy": float(right.mean()),
            "macs": float(macs.mean()),
            "best_stage": best,
            "share_of_macs": float(macs.mean() / told[best].macs.mean()),
            "gain_over_best_stage": paired_interval(
                [right.astype(np.float64)], [alone[best]]
            )._asdict(),
        },
    }


def _stages_of(model: Deployed, split: Split) -> NDArray[np.int64]:
    """Return the stage at which the saved model itself stops on each sample, (N,)."""
    with torch.inference_mode():
        parts = [
            model.route(split.inputs[start : start + _BATCH]).argmax(dim=1).numpy()
            for start in range(0, len(split), _BATCH)
        ]
    return np.concatenate(parts).astype(np.int64)


def _same_data(folders: list[RunFolder]) -> list[RunFolder]:
    """Return the runs, if all are finished, different and saw the same data.

    Raises:
        InputError: they are not.
    """
    if len({folder.path.resolve() for folder in folders}) < len(folders):
        raise InputError("the same run is named twice: a cascade needs different models")
    first = None
    for folder in folders:
        read_result(folder)
        with Bank.open(folder.path, folder.config().storage) as bank:
            own = bank.meta("fingerprint")
        if first is not None and own != first:
            raise InputError(
                f"{folder.path} saw other data than {folders[0].path}: join runs of the same data, "
                "image size and seed"
            )
        first = own
    return folders


def _new_directory(out: str | Path) -> Path:
    place = Path(out)
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise InputError(f"{place} is there already: give a new directory with --out")
    return place
