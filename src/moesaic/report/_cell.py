"""A cell drawn as a graph: vertices in a row, edges as arcs over and under it, in plain SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

Edge = tuple[int, int, str]

_STYLES = {
    "skip_connect": ("skip", "var(--s6)", "5 4"),
    "nor_conv_1x1": ("1×1 conv", "var(--s4)", ""),
    "nor_conv_3x3": ("3×3 conv", "var(--s0)", ""),
    "sep_conv_3x3": ("sep. 3×3", "var(--s2)", ""),
    "sep_conv_5x5": ("sep. 5×5", "var(--s3)", ""),
    "avg_pool_3x3": ("avg pool", "var(--s1)", "1.5 4"),
    "max_pool_3x3": ("max pool", "var(--s5)", "1.5 4"),
    "skip": ("skip", "var(--s6)", "5 4"),
    "linear": ("linear", "var(--s0)", ""),
    "square": ("square", "var(--s3)", ""),
    "shift": ("shift", "var(--s4)", "1.5 4"),
    "rbf": ("radial", "var(--s1)", ""),
    "relu": ("relu", "var(--s2)", ""),
    "dropout": ("dropout", "var(--s5)", "1.5 4"),
}
_OTHERS = ("var(--s7)", "var(--s3)", "var(--s2)", "var(--s5)")
_STEP, _LIFT, _EDGE = 114.0, 40.0, 26.0
_MOST_LABELS = 8


class Style(NamedTuple):
    """How an operation is drawn; `key` names it in a legend."""

    key: str
    colour: str
    dash: str


class _Arc(NamedTuple):
    edge: Edge
    side: int
    level: int


def style_of(operation: str) -> Style:
    """Return colour and dashes of an operation; the same for the same name on every page."""
    if operation in _STYLES:
        return Style(*_STYLES[operation])
    return Style(operation, _OTHERS[sum(operation.encode()) % len(_OTHERS)], "")


def read_edges(graph: Sequence[Sequence[object]]) -> list[Edge]:
    """Return the edges of a graph as result.json holds it."""
    return [(int(str(i)), int(str(j)), str(operation)) for i, j, operation in graph]


def describe_edges(edges: Sequence[Edge]) -> str:
    """Say a graph in words, for those who cannot see it."""
    ends = _ends(edges)

    def name(vertex: int) -> str:
        return "input" if vertex == 0 else "output" if vertex in ends else str(vertex)

    return "; ".join(f"{name(i)} to {name(j)}: {style_of(op).key}" for i, j, op in edges)


def draw_cell(edges: Sequence[Edge]) -> Markup:
    """Return the drawing of a cell as inline SVG, or nothing for a network without a cell."""
    if not edges:
        return Markup("")
    vertices = sorted({vertex for i, j, _ in edges for vertex in (i, j)})
    step = max(52.0, min(_STEP, 400.0 / max(1, len(vertices) - 1)))
    x = {vertex: _EDGE + step * place for place, vertex in enumerate(vertices)}
    arcs = _place(edges, {vertex: place for place, vertex in enumerate(vertices)})
    above = max((arc.level for arc in arcs if arc.side < 0), default=0)
    below = max((arc.level for arc in arcs if arc.side > 0), default=0)
    middle = 26.0 + _LIFT * above
    height = middle + 26.0 + _LIFT * below
    width = 2 * _EDGE + step * (len(vertices) - 1)
    labelled = len(edges) <= _MOST_LABELS and step > 70
    parts = [
        Markup('<svg class="cell" role="img" aria-label="{}" width="{:.0f}" viewBox="{}">').format(
            describe_edges(edges), width, f"0 0 {width:.0f} {height:.0f}"
        )
    ]
    parts += [_path(arc, x, middle) for arc in arcs]
    if labelled:
        parts += [_label(arc, x, middle) for arc in arcs]
    ends = _ends(edges)
    parts += [_vertex(vertex, x[vertex], middle, ends) for vertex in vertices]
    return Markup("").join(parts) + Markup("</svg>")


def _ends(edges: Sequence[Edge]) -> set[int]:
    return {j for _, j, _ in edges} - {i for i, _, _ in edges}


def _place(edges: Sequence[Edge], rank: dict[int, int]) -> list[_Arc]:
    """Give every edge a side and a height at which it crosses no other on its side's levels."""
    arcs: list[_Arc] = []
    for edge in sorted(edges, key=lambda e: (rank[e[1]] - rank[e[0]], e)):
        start, end = rank[edge[0]], rank[edge[1]]
        straight = any(arc.level == 0 and arc.edge[:2] == edge[:2] for arc in arcs)
        if end - start == 1 and not straight:
            arcs.append(_Arc(edge, -1, 0))
            continue
        best: tuple[int, int] | None = None
        for side in (-1, 1):
            inside = [
                arc.level
                for arc in arcs
                if arc.level
                and arc.side == side
                and rank[arc.edge[0]] < end
                and start < rank[arc.edge[1]]
            ]
            level = 1 + max(inside, default=0)
            if best is None or level < best[1]:
                best = side, level
        side, level = best or (-1, 1)
        arcs.append(_Arc(edge, side, level))
    return arcs


def _path(arc: _Arc, x: dict[int, float], middle: float) -> Markup:
    start, end = x[arc.edge[0]], x[arc.edge[1]]
    style = style_of(arc.edge[2])
    if arc.level == 0:
        way = f"M{start:.0f} {middle:.0f}H{end:.0f}"
    else:
        y = middle + arc.side * _LIFT * arc.level / 0.75
        lean = 0.22 * (end - start)
        way = (
            f"M{start:.0f} {middle:.0f}C{start + lean:.0f} {y:.0f} "
            f"{end - lean:.0f} {y:.0f} {end:.0f} {middle:.0f}"
        )
    dash = Markup(' stroke-dasharray="{}"').format(style.dash) if style.dash else ""
    return Markup('<path d="{}" fill="none" stroke="{}" stroke-width="2.5"{}/>').format(
        way, style.colour, dash
    )


def _label(arc: _Arc, x: dict[int, float], middle: float) -> Markup:
    start, end = x[arc.edge[0]], x[arc.edge[1]]
    y = middle + arc.side * _LIFT * arc.level
    return Markup('<text x="{:.0f}" y="{:.1f}" class="op">{}</text>').format(
        (start + end) / 2, y + 3.5, style_of(arc.edge[2]).key
    )


def _vertex(vertex: int, x: float, y: float, ends: set[int]) -> Markup:
    kind = "end" if vertex == 0 or vertex in ends else "mid"
    name = "in" if vertex == 0 else "out" if vertex in ends else str(vertex)
    return Markup(
        '<circle cx="{x:.0f}" cy="{y:.0f}" r="14" class="v {kind}"/>'
        '<text x="{x:.0f}" y="{t:.1f}" class="vt {kind}">{name}</text>'
    ).format(x=x, y=y, t=y + 3.5, kind=kind, name=name)
