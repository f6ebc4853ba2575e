"""The part of the search section about the surrogate: what it is worth; it judges no strategy."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from moesaic.report import _theme as theme
from moesaic.report._format import number, percent, plain

_NAMES = {
    "blend": "a blend weighted by cross-validation",
    "ridge": "ridge regression",
    "trees": "extremely randomised trees",
    "gaussian_process": "Gaussian process",
    "graph_process": "Gaussian process with a graph kernel",
    "boosting": "gradient boosting",
    "graph_network": "graph network",
    "constant": "none: too few architectures to learn from",
}


def find_quality(told: Any) -> dict[str, Any] | None:
    """Return what a strategy's report says of its surrogate, wherever it put it."""
    if not isinstance(told, dict):
        return None
    if "spearman" in told or "trusted" in told:
        return told
    for inner in told.values():
        if isinstance(inner, dict) and ("spearman" in inner or "trusted" in inner):
            return inner
    return None


def build_surrogate(told: Any) -> dict[str, Any] | None:
    """Return what the template reads; None for a search without a surrogate."""
    quality = find_quality(told)
    if quality is None:
        return None
    clusters = _columns(quality)
    return {
        "model": _NAMES.get(str(quality.get("model")), str(quality.get("model", "unnamed"))),
        "trusted": bool(quality.get("trusted")),
        "reason": str(quality.get("reason", "")),
        "observations": quality.get("observations"),
        "clusters": clusters if any(row["known"] for row in clusters) else [],
        "compared": [
            {"name": _NAMES.get(str(name), str(name)), "spearman": plain(value)}
            for name, value in (quality.get("compared") or {}).items()
        ],
        **_scatter(quality),
    }


def _columns(quality: dict[str, Any]) -> list[dict[str, Any]]:
    count = len(quality.get("spearman") or [])

    def entry(name: str, cluster: int) -> Any:
        values = quality.get(name) or []
        return values[cluster] if cluster < len(values) else None

    return [
        {
            "name": f"Cluster {cluster + 1}",
            "known": number(entry("spearman", cluster)) is not None,
            "glyph": theme.glyph(cluster),
            "colour": theme.css_colour(cluster),
            "spearman": plain(entry("spearman", cluster)),
            "kendall": plain(entry("kendall", cluster)),
            "rmse": plain(entry("rmse", cluster), 3),
            "coverage50": percent(entry("coverage50", cluster), 0),
            "coverage90": percent(entry("coverage90", cluster), 0),
        }
        for cluster in range(count)
    ]


def held_out_pairs(quality: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Return for every cluster its held-out (predicted, measured) pairs, (n, 2) nats each."""
    predicted, measured = (_matrix(quality.get(name)) for name in ("predicted", "measured"))
    if predicted is None or measured is None or predicted.shape != measured.shape:
        return []
    pairs = [
        np.stack([predicted[:, cluster], measured[:, cluster]], axis=1)
        for cluster in range(predicted.shape[1])
    ]
    return [pair[np.isfinite(pair).all(axis=1)] for pair in pairs]


def _matrix(values: Any) -> NDArray[np.float64] | None:
    """Read (n, M) numbers in which null stands for what was not measured."""
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return table if table.ndim == 2 else None


def _scatter(quality: dict[str, Any]) -> dict[str, Any]:
    pairs = held_out_pairs(quality)
    drawn = [(cluster, pair) for cluster, pair in enumerate(pairs) if len(pair)]
    if sum(len(pair) for _, pair in drawn) < 3:
        return {"figure": None, "legend": []}
    values = np.concatenate([pair for _, pair in drawn])
    low, high = float(values.min()), float(np.quantile(values, 0.98))
    margin = 0.06 * max(high - low, 1e-6)

    def plot(axes: Axes) -> None:
        reach = (low - margin, high + margin)
        axes.plot(reach, reach, color=theme.MUTED, linewidth=1, linestyle=(0, (4, 4)))
        for cluster, pair in drawn:
            axes.plot(
                pair[:, 0],
                pair[:, 1],
                linestyle="none",
                marker=theme.marker(cluster),
                markersize=5.5,
                markerfacecolor=theme.colour(cluster),
                markeredgecolor=theme.PAPER,
                markeredgewidth=0.6,
                alpha=0.9,
            )
        axes.set_xlim(*reach)
        axes.set_ylim(*reach)
        axes.set_aspect("equal")
        axes.set_xlabel("predicted loss (nats)")
        axes.set_ylabel("measured loss (nats)")
        axes.grid()

    legend = [
        {
            "glyph": theme.glyph(cluster),
            "colour": theme.css_colour(cluster),
            "name": f"cluster {cluster + 1}",
        }
        for cluster, _ in drawn
    ]
    figure: Markup = theme.draw(
        "surrogate",
        f"{len(values)} held-out predictions against measured losses; on the diagonal a "
        "prediction is exact",
        plot,
        width=4.4,
        height=4.0,
    )
    return {"figure": figure, "legend": legend}
