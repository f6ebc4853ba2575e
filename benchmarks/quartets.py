"""Builds every mixture of K families of a pool on the meta device, and counts what cannot be built.

    python -m benchmarks.quartets --pool lemur29 --experts 4

Every one is built anew as it would be for training, gate included; nothing is computed or kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from itertools import combinations, islice
from math import comb
from typing import Any

import torch

from moesaic.execution import Job, ProcessExecutor
from moesaic.mixture import build_network
from moesaic.spaces.families import family_architecture, read_pool
from moesaic.training import count_parameters

_CHUNK = 250


def build_all(
    pool: Sequence[str], experts: int, first: int, count: int, size: int
) -> dict[str, Any]:
    """Build the mixtures `first` to `first + count` in alphabetical order."""
    wrong: dict[str, str] = {}
    shape, built = (3, size, size), 0
    alone = {}
    for families in islice(combinations(pool, experts), first, first + count):
        try:
            architectures = [family_architecture(name) for name in families]
            with torch.device("meta"):
                mixture = build_network(architectures, shape, 10, top_k=experts, gate="moe4")
            for name, expert in zip(families, mixture.experts, strict=True):
                known = alone.setdefault(name, count_parameters(expert))
                if known != count_parameters(expert):
                    raise RuntimeError(f"{name} is another network in this mixture")
            total = sum(alone[name] for name in families) + count_parameters(mixture.gate)
            if count_parameters(mixture) != total:
                raise RuntimeError("its experts share parameters")
            built += 1
        except Exception as error:  # noqa: BLE001 - counted and shown
            wrong["+".join(families)] = f"{type(error).__name__}: {error}"
    return {"built": built, "wrong": wrong}


def main() -> int:
    """Run the benchmark; the exit status is 1 when a mixture could not be built."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pool", default="lemur29")
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--size", type=int, default=32, help="side of the images, in pixels")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--most", type=int, default=None, help="stop after so many")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    pool = sorted(read_pool(words.pool))
    space = comb(len(pool), words.experts)
    wanted = min(space, words.most or space)
    begun, built, wrong = time.monotonic(), 0, {}
    with ProcessExecutor(words.workers) as executor:
        for first in range(0, wanted, _CHUNK):
            count = min(_CHUNK, wanted - first)
            arguments = {"pool": pool, "experts": words.experts, "first": first}
            arguments |= {"count": count, "size": words.size}
            executor.submit(Job(str(first), build_all, arguments))
        for outcome in executor.results():
            if outcome.value is None:
                raise RuntimeError(outcome.message)
            built += outcome.value["built"]
            wrong |= outcome.value["wrong"]
            print(f"{built + len(wrong)} of {wanted}", file=sys.stderr, flush=True)
    seconds = time.monotonic() - begun
    found = {"space": space, "tried": wanted, "built": built, "wrong": wrong, "seconds": seconds}
    if words.json:
        print(json.dumps(found))
    else:
        print(f"{built:,} of {wanted:,} mixtures of {words.experts} built in {seconds:.0f} s")
        for name, why in list(wrong.items())[:20]:
            print(f"  {name}: {why}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
