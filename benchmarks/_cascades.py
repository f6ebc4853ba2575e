"""Mixtures of a finished search put in cascades, and measured on the test split; trains nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from moesaic.bank import Trial, save_predictions
from moesaic.data import open_dataset
from moesaic.runs._cascade import Answers, answered, ask, at_price, front_of, stopped
from moesaic.runs._context import load_context
from moesaic.runs._hand_over import trained_model
from moesaic.runs._session import SearchSession


def cascades(
    session: SearchSession, wanted: Mapping[str, Sequence[Trial]], price: float, repeat: int = 0
) -> dict[str, dict[str, Any]]:
    """Return what cascades do on the test split, their thresholds chosen on validation.

    Args:
        session: of the search that the trials are of.
        wanted: name -> stages, the cheapest first; one alone answers everything.
        price: points of accuracy that a million multiply-accumulates must buy.
        repeat: which of their trainings this is; answers of each are stored under a key of its own.

    Returns:
        name -> `key`, `accuracy`, `macs` and the share of the samples that `reached` each stage.
        Answers are stored under the key, as those of a trial.
    """
    path = session.folder.path
    context = load_context(str(path))
    dataset = open_dataset(session.folder.data, test=True)
    known: dict[str, tuple[Answers, Answers]] = {}
    for trial in {trial.key: trial for stages in wanted.values() for trial in stages}.values():
        model = trained_model(session.bank, trial, context)
        known[trial.key] = (
            ask(model, dataset.validation.inputs),
            ask(model, dataset.test.inputs),
        )
    found = {}
    labels = dataset.test.labels.numpy()
    for name, stages in wanted.items():
        validation, test = zip(*(known[trial.key] for trial in stages), strict=True)
        stage = np.zeros(len(labels), np.int64)
        if len(stages) > 1:
            point = at_price(front_of(validation, dataset.validation.labels.numpy()), price)
            stage = stopped(test, point.thresholds)
        guess, macs = answered(test, stage)
        key = name.replace(" ", "-") + (f"-{repeat}" if repeat else "")
        save_predictions(path, f"{key}-test", np.eye(len(dataset.classes))[guess])
        found[name] = {
            "key": key,
            "accuracy": float((guess == labels).mean()),
            "macs": float(macs.mean()),
            "reached": [float((stage >= place).mean()) for place in range(len(stages))],
        }
    return found
