"""Asks for a mixture on data without regions, and expects to be told that it is not worth it.

python -m benchmarks.no_structure --repeats 3
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks._show import add_search_options, show_search
from benchmarks.two_domains import run


def main() -> int:
    """Run the benchmark; the exit status is 0 whatever the verdict is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_search_options(parser, repeats=3, data="digits")
    words = parser.parse_args()
    found = run(words.settings(words), words.out)
    if words.json:
        print(json.dumps(found))
    else:
        show_search(found)
        for name, value in found["value"].items():
            if value is not None:
                print(
                    f"value of {name}: {value['mean']:+.4f} ({value['low']:+.4f} to "
                    f"{value['high']:+.4f}) {value['unit']}"
                )
        print(f"{found['seconds']:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
