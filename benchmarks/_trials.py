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
    curves = [
        Curve(
            family,
            {epoch: float(np.mean(found)) for epoch, found in scores[uid].items()},
            settings | speed_of(seconds[uid], early),
        )
        for uid, (family, settings) in first.items()
    ]
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
    if line["momentum"]:
        found["momentum"] = float(line["momentum"])
    if line["dropout"]:
        found["dropout"] = float(line["dropout"])
    words = re.split(r"[_-]", line["transform"])
    sides = [int(word) for word in words if word.isdigit() and int(word) in SIDES]
    if sides:
        found["side"] = float(np.log2(sides[0]))
    return found


def speed_of(seconds: Mapping[int, list[float]], early: int) -> dict[str, float]:
    """Return the logarithm of the seconds an epoch took, from the last early one that is known."""
    known = [epoch for epoch in seconds if epoch <= early]
    if not known:
        return {}
    epoch = max(known)
    return {"seconds": float(np.log(max(np.mean(seconds[epoch]) / epoch, 1e-3)))}
