"""Times the scoring of all quartets of stored predictions, and an exact k-median; prints both.

    python -m benchmarks.selection_speed

The predictions are random, written as a run stores them and read back within the time; the
losses of the k-median are those of experts that differ in skill and in what they are good at.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from moesaic.bank import read_predictions, save_predictions
from moesaic.errors import InputError
from moesaic.selection import SCORES, Members, score_subsets, select


def quartets(words: argparse.Namespace) -> dict[str, Any]:
    """Score every subset of stored predictions, reading included."""
    rng = np.random.default_rng(words.seed)
    labels = rng.integers(words.classes, size=words.samples)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names = [
            save_predictions(folder, f"expert-{index}", _predictions(rng, labels, words.classes))
            for index in range(words.experts)
        ]
        cluster = rng.integers(6, size=words.samples)
        before, begun, busy = _peak(), time.perf_counter(), time.process_time()
        told = [read_predictions(folder / name) for name in names]
        rows = np.arange(words.samples)
        loss = np.stack([-one[rows, labels].astype(np.float32) for one in told])
        right = np.stack([one.argmax(axis=1) == labels for one in told])
        members = Members(loss, right=right, cluster=cluster)
        found = score_subsets(members, words.members, score=words.score)
        seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    return {
        "score": words.score,
        "scored": found.scored,
        "seconds": seconds,
        "processor_seconds": busy,
        "peak_mib": _peak(),
        "peak_mib_before": before,
        "best": list(found.best[0].members),
    }


def median(words: argparse.Namespace) -> dict[str, Any]:
    """Solve a weighted k-median to proven optimality."""
    rng = np.random.default_rng(words.seed)
    shape = (words.median_experts, words.clusters)
    weight = rng.dirichlet(np.full(words.clusters, 3.0))
    answers = {}
    for name, loss in (
        ("uniform", rng.random(shape)),
        ("skilled", rng.normal(1.0, 0.2, (shape[0], 1)) + rng.normal(0, 0.1, shape)),
    ):
        begun = time.perf_counter()
        found = select(loss, weight, words.members, exact=True)
        answers[name] = {
            "seconds": time.perf_counter() - begun,
            "objective": found.objective,
            "bound": found.bound,
            "proven": found.proven_optimal,
        }
    return answers


def _predictions(rng: np.random.Generator, labels: np.ndarray, classes: int) -> np.ndarray:
    logits = rng.normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += rng.uniform(0.5, 2.0)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _peak() -> float:
    """Return the most memory this process ever had, MiB, libraries included."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--experts", type=int, default=29, help="stored prediction sets")
    parser.add_argument("--members", type=int, default=4, help="experts in a mixture")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--score", default="oracle", choices=[s for s in SCORES if s != "gate"])
    parser.add_argument("--median-experts", type=int, default=500)
    parser.add_argument("--clusters", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    try:
        found = {"subsets": quartets(words), "median": median(words)}
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if words.json:
        print(json.dumps(found))
        return 0
    told = found["subsets"]
    print(
        f"{told['scored']:,} subsets by {told['score']} in {told['seconds']:.2f} s "
        f"({told['processor_seconds']:.2f} s of processors), peak {told['peak_mib']:.0f} MiB "
        f"({told['peak_mib_before']:.0f} before)"
    )
    for name, row in found["median"].items():
        how = "proven" if row["proven"] else f"not proven, bound {row['bound']:.6f}"
        print(
            f"k-median of {words.median_experts} experts, {words.clusters} clusters, {name} "
            f"losses: {row['objective']:.6f}, {how}, in {row['seconds']:.2f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
