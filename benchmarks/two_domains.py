"""Compares a mixture found without domain labels with what one would build by hand, equal in cost.

Runs `moesaic search` on a join of two data sets and adds the paired gains, with intervals, over
the best single network trained for as many epochs, over the same trained K times as long, over the
ensemble of K single networks, and over the routing by the true domains.

    python -m benchmarks.two_domains --data A.npz+B.npz --image-size 16 --experts 2 --repeats 3
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
from benchmarks._show import PlainWatcher, add_search_options, show_search


def run(settings: dict[str, Any], out: Path | None) -> dict[str, Any]:
    """Search once and return the search's result with the gains beside it."""
    place = out or Path(tempfile.mkdtemp(prefix="two-domains-")) / "run"
    found = moesaic.search(out=place, watcher=PlainWatcher(), **settings).result
    if out is None:
        shutil.rmtree(place.parent)
    return {**found, **gains(found)}


def gains(result: dict[str, Any]) -> dict[str, Any]:
    """Return the gains of the mixture that validation prefers, in test accuracy."""
    decided = result["verdict"]
    names = ("single", "single_long", "ensemble", "random", "oracle")
    return {
        **{f"gain_over_{name}": decided["gains"].get(name) for name in names},
        "routing_agreement": result["routing"]["agreement_domains"],
    }


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_search_options(parser, repeats=3)
    words = parser.parse_args()
    try:
        found = run(words.settings(words), words.out)
    except moesaic.errors.MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if words.json:
        print(json.dumps(found))
    else:
        show_search(found)
        for name, gain in found.items():
            if name.startswith("gain_over_") and gain is not None:
                print(
                    f"{name}: {100 * gain['mean']:+.2f} points "
                    f"({100 * gain['low']:+.2f} to {100 * gain['high']:+.2f})"
                )
        print(f"routing agrees with the domains on {100 * found['routing_agreement']:.2f} %")
        print(f"{found['seconds']:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
