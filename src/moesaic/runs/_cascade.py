"""Finished runs put in a cascade: a cheap model answers where it is sure, a dearer one the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moesaic.data import Dataset, Split, open_dataset
from moesaic.errors import DamagedRun, InputError
from moesaic.execution import one_thread
from moesaic.mixture import (
    Deployed,
    Mixture,
    answer_with_weights,
    confidence_of,
    load_model,
    regions_of,
    save_cascade,
)
from moesaic.runs._evidence import paired_interval
from moesaic.runs._folder import (
    RunFolder,
    open_folder,
    read_result,
    saw_other_data,
    write_json,
)
from moesaic.runs._price import PER_MAC
from moesaic.runs._progress import Watcher
from moesaic.runs._stages import Aim, Trained, aim_of, train_stages
from moesaic.runs._whole import whole_or_not
from moesaic.selection import (
    MOST_STAGES,
    CascadePoint,
    best_at,
    cascade_front,
    stage_of,
)
from moesaic.training import count_macs

_BATCH = 256
_TOLD = 48  # points of the front that are written down


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


@one_thread()
def cascade(
    runs: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    price: float | None = None,
    max_macs: float | None = None,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Put the models of finished runs in a cascade, choose when to stop, measure it and save it.

    The thresholds are chosen on the validation split, the test split measures the outcome. Without
    a price and a limit the cascade is the cheapest found that is as accurate on validation as the
    most accurate of the models. `out` is there once all of it is, or not at all.

    Of one search under a price two mixtures are trained, a cheap one and a dear one: of the sizes
    that the search tried, those that go together best. They stay in the run, where the same command
    finds them again; its result and its model stay as they are.

    Args:
        runs: two to four finished runs on the same data, image size and seed, any order; or one
            finished search under a price or a limit, alone or in a list.
        out: a new directory: `model/`, which `load_model` and `moesaic predict` take, and
            `result.json`.
        price: points of accuracy that a million multiply-accumulates more must buy.
        max_macs: most multiply-accumulates of a validation sample in the mean. Of one search its
            own price or limit counts when neither is given.
        watcher: is told of trainings.

    Returns:
        What `result.json` holds: `stages`, `thresholds`, `validation`, `test`, `against`, `front`,
        what was `trained`, and a `note` where a model is not needed or another one better.

    Raises:
        InputError: no runs, not finished, of different data; no cascade keeps to the limit; one
            search that tried no sizes, or of which no two go together; `out` is there or cannot be
            written.
        DamagedRun: a file of a run is damaged.
        RunFailed: a training failed.
        Interrupted: stopped while training; the same command goes on.
    """
    runs = [runs] if isinstance(runs, str | Path) else runs
    if not 1 <= len(runs) <= MOST_STAGES:
        raise InputError(
            f"{len(runs)} runs given: a cascade has two to {MOST_STAGES}, or one under a price"
        )
    if price is not None and max_macs is not None:
        raise InputError("give --price or --max-macs, not both: either decides alone")
    price, max_macs = (None if one is None else float(one) for one in (price, max_macs))
    for name, value, least in (("price", price, 0.0), ("max_macs", max_macs, 1.0)):
        if value is not None and not least <= value < np.inf:
            raise InputError(f"{name} is {value:g}, expected a number of {least:g} or more")
    folders = _same_data([open_folder(run) for run in runs])
    with whole_or_not(Path(out)) as place:
        models = [load_model(folder.path) for folder in folders]
        for folder, model in zip(folders, models, strict=True):
            if model.classes != models[0].classes:
                raise saw_other_data(folder, folders[0])
        own = models[0] if len(folders) == 1 else None
        trained: list[Trained] = []
        if own is not None:
            given = {"--price": price, "--max-macs": max_macs}
            again = [word for k, v in given.items() if v is not None for word in (k, f"{v!r}")]
            aim = aim_of(folders[0], price, max_macs)
            price, max_macs = aim.price, aim.max_macs
            trained = train_stages(folders[0], aim, watcher or Watcher(), out, again)
            models = [one.model for one in trained]
            folders = [folders[0]] * len(models)
        dataset = open_dataset(folders[0].data, test=True)
        told = [
            ask(model, dataset.validation.inputs, f"the model of {folder.path}")
            for model, folder in zip(models, folders, strict=True)
        ]
        order = sorted(range(len(models)), key=lambda row: (told[row].macs.mean(), row))
        models = [models[row] for row in order]
        told = [told[row] for row in order]
        folders = [folders[row] for row in order]
        labels = dataset.validation.labels.numpy()
        front = front_of(told, labels)
        if price is not None:
            chosen = at_price(front, price)
        else:
            chosen = _keeping(front, told, labels, max_macs)
        alone = None if own is None else ask(own, dataset.validation.inputs)
        named = [str(folder.path) for folder in folders]
        words = named if own is None else ["the cheap experts", "the dear experts"]
        thresholds = chosen.thresholds.tolist()
        model = save_cascade(place / "model", models, thresholds, {"runs": named})
        found = {
            "kind": "cascade",
            "status": "done",
            "run": str(out),
            "price": price,
            "max_macs": max_macs,
            "thresholds": thresholds,
            "note": _note(told, chosen, words, labels, alone, Aim(price, max_macs)),
            **_measured(model, models, told, dataset, chosen, named, own),
            "trained": [{"trial": one.trial, "experts": list(one.experts)} for one in trained],
            "front": [{"macs": p.macs, "accuracy": 1 - p.error} for p in _spread(front)],
        }
        write_json(place / "result.json", found)
    return found


def ask(model: Deployed, inputs: Tensor, name: str = "a model of the cascade") -> Answers:
    """Run a model on raw samples (N, ...), N >= 1, and keep what a cascade needs to know.

    Args:
        model: of a run.
        inputs: raw samples.
        name: what the model is called where it is damaged.

    Raises:
        DamagedRun: it answers what is not a number.
    """
    network, shape = model.network, model.input_shape
    if isinstance(network, Mixture):
        cost = np.array([count_macs(expert, shape) for expert in network.experts], np.float64)
        gate = count_macs(network.gate, shape)
    guess, confidence, region, macs = [], [], [], []
    model.eval()
    with torch.inference_mode():
        for start in range(0, inputs.shape[0], _BATCH):
            batch = model.normaliser(inputs[start : start + _BATCH])
            logits, weights = answer_with_weights(network, batch)
            guess.append(logits.argmax(dim=1).numpy())
            confidence.append(confidence_of(logits).double().numpy())
            region.append(weights.argmax(dim=1).numpy())
            if isinstance(network, Mixture):
                # a dense mixture runs every expert, whatever its weight
                runs = (weights != 0) | (network.top_k == len(network.experts))
                macs.append(gate + runs.double().numpy() @ cost)
    sure = np.concatenate(confidence)
    if not np.isfinite(sure).all():
        raise DamagedRun(f"{name} answers what is not a number: train it again")
    paid = np.concatenate(macs) if macs else np.full(len(inputs), float(count_macs(network, shape)))
    return Answers(
        guess=np.concatenate(guess),
        confidence=sure,
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
    return cascade_front(
        np.stack([one.confidence for one in told]),
        np.stack([one.guess == labels for one in told]),
        np.stack([one.macs for one in told]),
        told[0].region,
        told[0].regions,
    )


def at_price(front: Sequence[CascadePoint], price: float) -> CascadePoint:
    """Return the thresholds that are best at a price, in points of accuracy per million MACs."""
    return best_at(front, PER_MAC * price)


def stopped(told: Sequence[Answers], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stage at which each of N samples stops, (N,)."""
    return stage_of(np.stack([one.confidence for one in told]), thresholds, told[0].region)


def answered(
    told: Sequence[Answers], stage: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the class (N,) and the multiply-accumulates (N,) of samples that stop at stages (N,).

    Every stage that a sample passes is paid, the answer of the last of them is given.
    """
    everyone = np.arange(len(stage))
    guess = np.stack([one.guess for one in told])[stage, everyone]
    macs = np.cumsum([one.macs for one in told], axis=0)[stage, everyone]
    return guess, macs


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
            f"the limit of {max_macs:,.0f}: raise --max-macs, or name a cheaper run too"
        )
    return within[-1]


def _note(
    told: Sequence[Answers],
    chosen: CascadePoint,
    named: Sequence[str],
    labels: NDArray[np.int64],
    own: Answers | None,
    aim: Aim,
) -> str | None:
    """Return what a person should know first, None where there is nothing.

    By the validation split a model may never be needed, or the own model of the one run that the
    cascade came of, `own`, may be better than the cascade.
    """
    if own is not None:
        error, macs = float((own.guess != labels).mean()), float(own.macs.mean())
        if aim.price is not None:
            rate = PER_MAC * aim.price
            better = error + rate * macs <= chosen.error + rate * chosen.macs
        else:
            within = aim.max_macs is not None and macs <= aim.max_macs
            better = within and (error, macs) <= (chosen.error, chosen.macs)
        if better:
            return (
                f"Use the run's own model, not this cascade: at {aim} it is the better one, right "
                f"on {100 * (1 - error):.1f} % of the validation split at {macs:,.0f} MACs, "
                f"against {100 * (1 - chosen.error):.1f} % at {chosen.macs:,.0f}."
            )
    idle = named[1 + int(stopped(told, chosen.thresholds).max(initial=0)) :]
    return f"No sample of the validation split needs {' or '.join(idle)}." if idle else None


def _spread(front: Sequence[CascadePoint]) -> list[CascadePoint]:
    """Return points of the front, evenly over its MACs, its ends among them."""
    macs = np.array([point.macs for point in front])
    wanted = np.linspace(macs[0], macs[-1], _TOLD)
    places = np.unique(np.abs(macs[:, None] - wanted).argmin(axis=0))
    return [front[int(place)] for place in places]


def _measured(
    model: Deployed,
    models: Sequence[Deployed],
    validated: Sequence[Answers],
    dataset: Dataset,
    chosen: CascadePoint,
    runs: Sequence[str],
    own: Deployed | None,
) -> dict[str, Any]:
    """Return what the stages and the cascade do on validation and on test.

    The cascade is compared with the model of the one run that it came of, else with the stage that
    is most accurate on validation.
    """
    told = [ask(one, dataset.test.inputs) for one in models]
    labels, truth = dataset.test.labels.numpy(), dataset.validation.labels.numpy()
    stage = _stages_of(model, dataset.test)
    guess, macs = answered(told, stage)
    validation = [float((one.guess == truth).mean()) for one in validated]
    best = None if own is not None else int(np.argmax(validation))
    rival = ask(own, dataset.test.inputs) if best is None and own is not None else told[best or 0]
    right, theirs = ((one == labels).astype(np.float64) for one in (guess, rival.guess))
    return {
        "stages": [
            {
                "run": run,
                "macs": float(told[place].macs.mean()),
                "validation_accuracy": validation[place],
                "test_accuracy": float((told[place].guess == labels).mean()),
                "reached": float((stage >= place).mean()),
            }
            for place, run in enumerate(runs)
        ],
        "validation": {"accuracy": 1 - chosen.error, "macs": chosen.macs},
        "test": {"accuracy": float(right.mean()), "macs": float(macs.mean())},
        "against": {
            "run": runs[best or 0],
            "stage": best,
            "macs": float(rival.macs.mean()),
            "test_accuracy": float(theirs.mean()),
            "share_of_macs": float(macs.mean() / rival.macs.mean()),
            "gain": paired_interval([right], [theirs])._asdict(),
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
        DamagedRun: a run does not say what it saw.
    """
    if len({folder.path.resolve() for folder in folders}) < len(folders):
        raise InputError("the same run is named twice: a cascade needs different models")
    first = None
    for folder in folders:
        read_result(folder)
        try:
            own = json.loads(folder.started_file.read_text("utf-8"))["fingerprint"]
        except (OSError, ValueError, LookupError, TypeError):
            raise DamagedRun(
                f"{folder.started_file} is missing or damaged: copy the run whole"
            ) from None
        if first is not None and own != first:
            raise saw_other_data(folder, folders[0])
        first = own
    return folders
