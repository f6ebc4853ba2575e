"""Runs a campaign with two poisoned families in its pool and accounts for every mixture.

    python -m benchmarks.campaign --data fashion_mnist_10k.npz --image-size 16 --candidates 60

The poisoned families (benchmarks/poisoned.py) raise or never return in their forward pass: their
mixtures must fail, each with the right cause, and all others must be trained.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import moesaic
from benchmarks._show import PlainWatcher
from moesaic.cli._campaign_summary import describe_campaign
from moesaic.config import merge_settings, parse_assignments
from moesaic.spaces.families import read_pool

POISONED = {"PoisonRaises": "error", "PoisonHangs": "time_limit"}


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Run the campaign and judge how it accounted for its mixtures."""
    pool = [*read_pool(words.pool), *([] if words.healthy else POISONED)]
    settings = {
        "data": words.data,
        "image_size": words.image_size,
        "pool": ",".join(pool),
        "plugins": [] if words.healthy else [str(Path(__file__).with_name("poisoned.py"))],
        "experts": words.experts,
        "planner": words.planner,
        "candidates": words.candidates,
        "epochs": words.epochs,
        "trial_timeout": words.trial_timeout,
        "seed": words.seed,
    }
    place = words.out or Path(tempfile.mkdtemp(prefix="campaign-")) / "run"
    found = moesaic.campaign(
        out=place,
        watcher=PlainWatcher(),
        **merge_settings(settings, parse_assignments(words.set)),
    ).result
    if words.out is None:
        shutil.rmtree(place.parent)
    return {**found, "judged": judge(found["candidates"])}


def judge(candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """Count healthy mixtures that were trained and poisoned ones that failed as they should."""
    healthy = [c for c in candidates if not set(POISONED) & set(c["families"])]
    poisoned = [c for c in candidates if set(POISONED) & set(c["families"])]
    right = [
        c
        for c in poisoned
        if c["status"] == "failed" and c["cause"] in {POISONED.get(n) for n in c["families"]}
    ]
    return {
        "healthy": len(healthy),
        "healthy_done": sum(c["status"] == "done" for c in healthy),
        "poisoned": len(poisoned),
        "poisoned_with_the_right_cause": len(right),
    }


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="sources joined by +")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--pool", default="lemur29")
    parser.add_argument("--healthy", action="store_true", help="leave the poisoned families out")
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--planner", default="stratified")
    parser.add_argument("--candidates", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--trial-timeout", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, default=None, help="keep the run here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    try:
        found = run(words)
    except moesaic.errors.MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if words.json:
        print(json.dumps(found))
    else:
        print(describe_campaign(found))
        told = found["judged"]
        print(f"healthy mixtures: {told['healthy_done']} of {told['healthy']} trained")
        print(
            f"poisoned mixtures: {told['poisoned_with_the_right_cause']} of {told['poisoned']} "
            "failed with the right cause"
        )
        print(f"{found['seconds']:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
