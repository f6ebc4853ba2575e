"""The heat map of family pairs: done below the diagonal, planned above it, as plain SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from moesaic.report.campaign._page_material import short

Pair = tuple[str, str]
Counts = dict[Pair, int]
_MOST_FAMILIES = 60
_LETTER = 7.4  # pixels, of the widest fallback font
_DEEP = 0.65


def draw_pairs(pool: Sequence[str], planned: Counts, done: Counts) -> Markup | None:
    """Draw how often every pair was planned and done.

    Args:
        pool: names of the families, (F,).
        planned: count of every pair, the earlier in the pool first.
        done: the same of finished mixtures.

    Returns:
        The drawing; None where there are too few families to pair or too many to read.
    """
    if not 2 <= len(pool) <= _MOST_FAMILIES:
        return None
    size = max(15.0, min(37.0, 700.0 / len(pool)))
    names = [short(name) for name in pool]
    left = 12 + _LETTER * max(len(name) for name in names)
    top = 14 + 0.74 * _LETTER * max(len(name) for name in names)
    most = max(max(planned.values()), max(done.values()), 1)
    parts = [_cells(pool, size, left, top, planned, done, most), _names(names, size, left, top)]
    right = 0.74 * _LETTER * len(names[-1])
    width = left + size * len(pool) + max(8.0, right - size / 2)
    height = top + size * len(pool) + 4
    alt = (
        f"How often each of {len(done)} pairs of families was planned (above the diagonal, "
        f"{min(planned.values())} to {max(planned.values())}) and done (below it, "
        f"{min(done.values())} to {max(done.values())})"
    )
    opening = Markup(
        '<svg class="pairs" role="img" aria-label="{}" width="{:.0f}" viewBox="0 0 {:.0f} {:.0f}"'
        ' style="font-size: {:.1f}px">'
    ).format(alt, width, width, height, max(9.0, min(12.5, 0.45 * size)))
    return opening + Markup("").join(parts) + Markup("</svg>")


def _cells(
    pool: Sequence[str],
    size: float,
    left: float,
    top: float,
    planned: Counts,
    done: Counts,
    most: int,
) -> Markup:
    parts = []
    for row, first in enumerate(pool):
        for column, second in enumerate(pool):
            x, y = left + size * column, top + size * row
            if row == column:
                parts.append(_square("diagonal", x, y, size, 0.0))
                continue
            below = column < row
            pair = (second, first) if below else (first, second)
            count = (done if below else planned)[pair]
            missed = below and not count and planned[pair] > 0
            parts.append(_square("missed" if missed else "", x, y, size, count / most))
            parts.append(_number(x, y, size, count, count / most))
    return Markup("").join(parts)


def _square(kind: str, x: float, y: float, size: float, depth: float) -> Markup:
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"{}{}/>').format(
        x + 1,
        y + 1,
        size - 2,
        size - 2,
        Markup(' class="{}"').format(kind) if kind else "",
        Markup(' style="--depth: {:.2f}"').format(0.9 * depth) if depth else "",
    )


def _number(x: float, y: float, size: float, count: int, share: float) -> Markup:
    kind = "deep" if share > _DEEP else "none" if not count else ""
    return Markup('<text x="{:.1f}" y="{:.1f}"{}>{}</text>').format(
        x + size / 2,
        y + size / 2,
        Markup(' class="{}"').format(kind) if kind else "",
        count,
    )


def _names(names: Sequence[str], size: float, left: float, top: float) -> Markup:
    parts = []
    for place, name in enumerate(names):
        middle = size * (place + 0.5)
        parts.append(
            Markup('<text class="row" x="{:.1f}" y="{:.1f}">{}</text>').format(
                left - 6, top + middle, name
            )
        )
        x, y = left + middle, top - 5
        parts.append(
            Markup(
                '<text class="column" transform="translate({:.1f} {:.1f}) rotate(-45)">{}</text>'
            ).format(x, y, name)
        )
    return Markup("").join(parts)
