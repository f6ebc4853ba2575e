"""Prints what every family of a pool costs: parameters, MACs, training speed on one thread.

The speed is images a second of processor time (forward, backward, AdamW step; channels last), the
median of a few steps after a warm-up. Processor time is what a free core would need, as long as
nobody else wears out its caches.

    python -m benchmarks.families --pool lemur29 --size 32 --batch 64
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

import torch
from torch import nn

from moesaic.errors import MoesaicError
from moesaic.spaces import build_architecture
from moesaic.spaces.families import family_architecture, read_pool
from moesaic.training import count_macs, count_parameters

SLOW = 300.0  # images a second: below this a family is too dear for a campaign on a few cores
WARM_UP = 2
CLASSES = 10


def measure(name: str, size: int, channels: int, batch: int, steps: int) -> dict[str, Any]:
    """Return what one family costs on images (channels, size, size)."""
    torch.manual_seed(0)
    shape = (channels, size, size)
    model = build_architecture(family_architecture(name), shape, CLASSES)
    macs = count_macs(model, shape)
    seconds = time_steps(model, torch.randn(batch, *shape), steps)
    rate = batch / statistics.median(seconds[WARM_UP:])
    return {
        "family": name,
        "parameters": count_parameters(model),
        "macs": macs,
        "images_per_second": rate,
        "slow": rate < SLOW,
    }


def time_steps(model: nn.Module, images: torch.Tensor, steps: int) -> list[float]:
    """Return the processor seconds of every training step, the warm-up first."""
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(len(images)) % CLASSES
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    seconds = []
    model.train()
    for _ in range(WARM_UP + steps):
        begun = time.process_time()
        loss = nn.functional.cross_entropy(model(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        seconds.append(time.process_time() - begun)
    return seconds


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a family that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pool", default="lemur29", help="a preset, a file of names, or name,name")
    parser.add_argument("--size", type=int, default=32, help="height and width in pixels")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5, help="timed, after the warm-up")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    try:
        for name in read_pool(words.pool):
            row = measure(name, words.size, words.channels, words.batch, words.steps)
            rows.append(row)
            show(row, to=sys.stderr if words.json else sys.stdout)
    except MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    slow = [row["family"] for row in rows if row["slow"]]
    if words.json:
        settings = {"size": words.size, "channels": words.channels, "batch": words.batch}
        print(json.dumps({**settings, "families": rows, "slow": slow}))
    else:
        print(f"below {SLOW:.0f} images/s: {', '.join(slow) or 'none'}")
    return 0


def show(row: dict[str, Any], to: Any) -> None:
    """Print one family's line."""
    print(
        f"{row['family']:20} {row['parameters']:>10,} parameters {row['macs']:>12,} MACs "
        f"{row['images_per_second']:>6.0f} images/s",
        file=to,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
