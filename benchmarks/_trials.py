"""Reads a CSV file of trials (family, epoch, accuracy and settings) as curves; it fits nothing."""

from __future__ import annotations

import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moesaic.errors import InputError
from moesaic.surrogate import Curve

COLUMNS = ("family", "epoch", "accuracy", "batch", "lr", "momentum", "dropout", "transform")
MORE = ("duration_s", "uid")
SIDES = {28, 32, 48, 64, 96, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512}
OWN_SIDE = 32  # pixels, where the transform does not resize
USUAL_MOMENTUM = 0.9


@dataclass(frozen=True)
class Trials:
    """A file of trials.

    Attributes:
        curves: one a uid, in the order of the file; repeats of an epoch are averaged.
        best: (family, epoch) -> the best accuracy of any row.
        rows: how many lines there were.
    """

    curves: list[Curve]
    best: Mapping[tuple[str, int], float]
    rows: int


def read_trials(path: Path, early: int) -> Trials:
    """Read a CSV file, compressed or not; of a duration nothing after epoch `early` is used.

    Raises:
        InputError: no such file, columns missing, or a line that cannot be read.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}: give a CSV file of trials")
    zipped = path.suffix == ".gz"
    with gzip.open(path, "rt", newline="") if zipped else path.open(newline="") as stream:
        reader = csv.DictReader(stream)
        lacking = [name for name in (*COLUMNS, *MORE) if name not in (reader.fieldnames or ())]
        if lacking:
            raise InputError(f"{path.name} has no column {lacking[0]}: a trial needs {COLUMNS}")
        lines = list(reader)
    scores: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    first: dict[str, tuple[str, dict[str, float]]] = {}
    best: dict[tuple[str, int], float] = {}
    for number, line in enumerate(lines, start=2):
        try:
            epoch, accuracy = int(line["epoch"]), float(line["accuracy"])
            spent = float(line["duration_s"])
            if line["uid"] not in first:
                first[line["uid"]] = (line["family"], settings_of(line))
        except (TypeError, ValueError) as error:
            raise InputError(f"{path.name}, line {number}: {error}: mend it") from None
        scores[line["uid"]][epoch].append(accuracy)
        seconds[line["uid"]][epoch].append(spent)
        place = (line["family"], epoch)
        best[place] = max(best.get(place, 0.0), accuracy)
    speeds = {uid: speed_of(found, early) for uid, found in seconds.items()}
    usual: dict[str, list[float]] = defaultdict(list)
    for uid, (family, _) in first.items():
        usual[family].append(speeds[uid])
    curves = []
    for uid, (family, settings) in first.items():
        spent = speeds[uid]
        if np.isfinite(spent):
            relative = spent - float(np.nanmedian(usual[family]))
            settings = settings | {"seconds": spent, "seconds_in_family": relative}
        means = {epoch: float(np.mean(found)) for epoch, found in scores[uid].items()}
        curves.append(Curve(family, means, settings))
    return Trials(curves, best, len(lines))


def settings_of(line: Mapping[str, str]) -> dict[str, float]:
    """Return how a trial was trained, as numbers; what was left empty is left out.

    Raises:
        ValueError: a setting that is no number, or no positive one where it should be.
    """
    batch, rate = float(line["batch"]), float(line["lr"])
    if batch <= 0 or rate <= 0:
        raise ValueError(f"batch is {batch:g} and lr {rate:g}, both should be above 0")
    found = {
        "batch": float(np.log2(batch)),
        "rate": float(np.log10(rate)),
        "rate_per_sample": float(np.log10(rate / batch)),
        "flip": float("flip" in line["transform"].lower()),
    }
    momentum = float(line["momentum"]) if line["momentum"] else None
    if momentum is not None:
        found["momentum"] = momentum
    behind = 1.0 - min(USUAL_MOMENTUM if momentum is None else momentum, 0.999)
    found["rate_of_effect"] = found["rate_per_sample"] - float(np.log10(behind))
    if line["dropout"]:
        found["dropout"] = float(line["dropout"])
    words = re.split(r"[_-]", line["transform"])
    sides = [int(word) for word in words if word.isdigit() and int(word) in SIDES]
    found["side"] = float(np.log2(sides[0] if sides else OWN_SIDE))
    return found


def speed_of(seconds: Mapping[int, list[float]], early: int) -> float:
    """Return the logarithm of the seconds an early epoch took; NaN where none is known."""
    known = [epoch for epoch in seconds if epoch <= early]
    if not known:
        return float("nan")
    return float(np.log(max(np.mean(seconds[max(known)]) / max(known), 1e-3)))
