"""Colours and the way from a matplotlib figure to inline SVG that follows the page's scheme."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins: in the finished SVG each becomes a CSS variable, so that one drawing serves the
# light and the dark scheme. Nothing else may use these very values.
INK, MUTED, GRID, ACCENT, PAPER = "#0000f1", "#0000f2", "#0000f3", "#0000f4", "#0000f5"
SERIES = tuple(f"#0000e{place}" for place in range(8))
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "★")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "line",
    ACCENT: "accent",
    PAPER: "paper",
    **{colour: f"s{place}" for place, colour in enumerate(SERIES)},
}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.0,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_SCALE = 1.33  # CSS pixels a point: labels drawn at 9 to 10 points read like small print
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def colour(place: int) -> str:
    """Return the stand-in of a series; after eight they repeat with another marker."""
    return SERIES[place % len(SERIES)]


def css_colour(place: int) -> str:
    """Return the CSS variable of a series."""
    return f"var(--s{place % len(SERIES)})"


def marker(place: int) -> str:
    """Return the matplotlib marker of a series: shape says what colour says."""
    return MARKERS[(place + place // len(SERIES)) % len(MARKERS)]


def glyph(place: int) -> str:
    """Return the sign that stands for a series' marker in a legend."""
    return GLYPHS[(place + place // len(SERIES)) % len(GLYPHS)]


def draw(
    name: str, alt: str, plot: Callable[[Axes], None], *, width: float = 4.6, height: float = 3.0
) -> Markup:
    """Draw one set of axes and return it as inline SVG, the same bytes for the same input.

    Args:
        name: unique on the page; ids inside the drawing begin with it.
        alt: what a person who cannot see it is told.
        plot: draws into the axes.
        width: in inches of 96 CSS pixels; narrower screens shrink the drawing.
        height: the same.
    """
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        plot(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata=_NO_METADATA)
    return Markup(_inline(stream.getvalue(), name, alt))


def _shorter(tag: re.Match[str]) -> str:
    """Return a tag with its coordinates to a hundredth of a point; words stay as they are."""
    return re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", tag[0])


def _inline(text: str, name: str, alt: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' id="(?:figure|axes|patch|text|line2d|matplotlib|xtick|ytick)[^"]*"', "", text)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = text.replace("'DejaVu Sans'", "var(--sans)").replace("xlink:href", "href")
    text = re.sub(r"<[^>]*>", _shorter, text)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, f"var(--{variable})")
    opening = f'<svg class="plot" role="img" aria-label="{escape(alt)}"'
    view = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    size = f' width="{_SCALE * float(view[1]):.0f}" {view[0]}>' if view else ">"
    body = re.sub(r"^<svg[^>]*>", opening + size, text, count=1, flags=re.DOTALL)
    return re.sub(r">\s+<", "><", body).strip()
