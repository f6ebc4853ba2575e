"""What the benchmarks share: options, progress, an answer, a table; it measures nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moesaic.config import merge_settings, parse_assignments
from moesaic.errors import MoesaicError
from moesaic.runs import Watcher


class PlainWatcher(Watcher):
    """One line a stage and every tenth trial, to standard error."""

    def stage(self, title: str, trials: int) -> None:
        """A stage of `trials` trials begins."""
        print(f"{title}: {trials}", file=sys.stderr, flush=True)

    def trial(self, title: str, done: int, trials: int, left: float | None, note: str) -> None:
        """A trial ended."""
        if done % 10 == 0 or done == trials:
            rest = "" if left is None else f", about {left / 60:.0f} min left"
            print(f"  {done}/{trials} {note}{rest}", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """One line a person may want to read."""
        print(line, file=sys.stderr, flush=True)


def answer(
    as_json: bool, run: Callable[[], dict[str, Any]], show: Callable[[dict[str, Any]], None]
) -> int:
    """Run a benchmark and print what it found; return the exit status, 2 for bad input."""
    try:
        found = run()
    except MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if as_json:
        print(json.dumps(found))
    else:
        show(found)
    return 0


def add_search_options(
    parser: argparse.ArgumentParser, repeats: int, data: str | None = None
) -> None:
    """Add the options that a benchmark hands on to the search; `data` is required without one."""
    parser.add_argument("--data", required=data is None, default=data, help="sources joined by +")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--experts", default="2", help="a number, or auto")
    parser.add_argument("--repeats", type=int, default=repeats, help="seeds of the final stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", default="auto", help="a number, or auto")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, default=None, help="keep the run here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(settings=_settings)


def _settings(words: argparse.Namespace) -> dict[str, Any]:
    given = {
        "data": words.data,
        "image_size": words.image_size,
        "experts": words.experts,
        "repeats": words.repeats,
        "seed": words.seed,
        "epochs": words.epochs,
        "workers": words.workers,
    }
    return merge_settings(given, parse_assignments(words.set))


def show_search(found: dict[str, Any]) -> None:
    """Print the verdict and one line a variant."""
    print(found["verdict"]["sentence"])
    print(f"{'variant':14} {'test':>7} {'seeds':28} {'active MACs':>12} {'passes':>7}")
    for name, row in {"mixture": found["mixture"], **found["baselines"]}.items():
        seeds = " ".join(f"{value:.4f}" for value in row["test_accuracies"])
        print(
            f"{name:14} {row['test_accuracy']:7.4f} {seeds:28} {row['macs_active']:12,} "
            f"{row['training_passes']:7.0f}"
        )


def show_kendall(found: dict[str, Any]) -> None:
    """Print one line a number of cells learned from: Kendall's tau of every kind, with interval."""
    for size, rows in found.items():
        line = "  ".join(
            f"{kind} {row['mean']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
            for kind, row in rows.items()
        )
        print(f"{size:>4} cells learned from: {line}")
