"""A picture of effects with their intervals; it computes none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moesaic.errors import InputError

_SUFFIXES = (".png", ".svg", ".pdf")
_SIGNS = {
    "keep": ("#1a7f4b", "^"),
    "drop": ("#b3372f", "v"),
    "average": ("#555555", "o"),
    "measure": ("#b07a12", "D"),
}


def plot_effects(found: Mapping[str, Any], path: Path) -> None:
    """Draw the effects of families, best first, into a new file.

    Args:
        found: what `family_yield` returned; families whose effect cannot be told are left out.
        path: ends with .png, .svg or .pdf.

    Raises:
        InputError: another ending, the file exists or cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{path} is no picture: let it end with {', '.join(_SUFFIXES)}")
    from matplotlib.figure import Figure

    rows = [row for row in found["effects"] if row["identifiable"]][::-1]
    figure = Figure(figsize=(7.0, 1.2 + 0.24 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0.0, color="#999999", linewidth=1)
    for verdict, (colour, marker) in _SIGNS.items():
        places = [place for place, row in enumerate(rows) if row["verdict"] == verdict]
        shown = [rows[place] for place in places]
        if shown:
            axes.hlines(
                places,
                [100 * row["low"] for row in shown],
                [100 * row["high"] for row in shown],
                color=colour,
            )
            means = [100 * row["mean"] for row in shown]
            axes.plot(means, places, marker, color=colour, label=verdict)
    axes.set_yticks(range(len(rows)), [f"{row['name']} ({row['n']})" for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("points of accuracy against the average family, 95 % interval")
    axes.legend(frameon=False, loc="lower right")
    try:
        with path.open("xb") as file:
            figure.savefig(file, format=path.suffix[1:].lower(), dpi=150)
    except FileExistsError:
        raise InputError(f"{path} exists: give another file") from None
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise InputError(f"cannot write {path}: {error.strerror}; give another file") from None
