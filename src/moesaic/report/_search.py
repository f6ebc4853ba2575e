"""The section on the search: its curve, the selection, how long to train, how many experts."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from moesaic.bank import Observation
from moesaic.report import _theme as theme
from moesaic.report._format import number, percent, plain
from moesaic.report._how_many import build_how_many
from moesaic.report._material import Material
from moesaic.report._surrogate import build_surrogate

Points = list[tuple[float, float]]


def build_search(material: Material) -> dict[str, Any]:
    """Return what the template of this section reads."""
    result, config = material.result, material.config
    return {
        "strategy": config.strategy,
        "guided": config.strategy not in ("random", "evolution"),
        "space": config.space,
        "rungs": [_rung(material, level) for level in range(len(material.rungs))],
        "curve": _curve(material),
        "surrogate": build_surrogate(result.get("surrogate")),
        "saturation": _ladder(
            "saturation",
            result.get("saturation"),
            result.get("epochs"),
            "epochs of training",
        ),
        "epochs": result.get("epochs"),
        "epochs_given": config.epochs != "auto",
        "how_many": build_how_many(result.get("how_many")),
        "experts": len(material.experts),
        "objective": _objective(
            (result.get("selection") or {}).get("history") or [], config.priced
        ),
    }


def _rung(material: Material, level: int) -> dict[str, Any]:
    stage = f"rung-{level}"
    done = sum(observation.trial.stage == stage for observation in material.observations)
    failed = sum(failure.trial.stage == stage for failure in material.failures)
    return {
        "number": level + 1,
        "epochs": material.rungs[level],
        "done": done,
        "failed": failed,
    }


def mean_validation_loss(observation: Observation, shares: np.ndarray) -> float:
    """Return the loss over all validation data from that of the clusters, in nats."""
    loss = observation.loss
    known = np.isfinite(loss)
    if len(loss) != len(shares) or not known.any():
        return float("nan")
    return float(loss[known] @ shares[known] / max(shares[known].sum(), 1e-12))


def _curve(material: Material) -> Markup | None:
    """Draw every generalist in the order of training and the best loss so far."""
    levels = len(material.rungs)
    trials = [
        (int(found.trial.stage.removeprefix("rung-")), mean_validation_loss(found, material.shares))
        for found in material.observations
        if found.trial.stage.startswith("rung-") and found.trial.stage[5:].isdigit()
    ]
    trials = [(level, loss) for level, loss in trials if np.isfinite(loss)]
    if len(trials) < 2:
        return None
    losses = np.array([loss for _, loss in trials])
    best = np.minimum.accumulate(losses)

    def plot(axes: Axes) -> None:
        order = np.arange(1, len(losses) + 1)
        axes.step(order, best, where="post", color=theme.ACCENT, linewidth=2, label="best so far")
        for level in range(levels):
            own = np.array([rung == level for rung, _ in trials])
            axes.plot(
                order[own],
                losses[own],
                linestyle="none",
                marker=theme.marker(level),
                markersize=6,
                markerfacecolor=theme.colour(level + 1),
                markeredgecolor=theme.PAPER,
                markeredgewidth=0.8,
            )
        # one network that learned nothing must not flatten all the others
        top = float(np.quantile(losses, 0.95))
        low, high = float(losses.min()), float(losses.max())
        if high - low > 3 * (top - low) > 0:
            axes.set_ylim(low - 0.08 * (top - low), top + 0.25 * (top - low))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("trial, in the order of the plan")
        axes.set_ylabel("validation loss (nats)")
        axes.grid(axis="y")

    return theme.draw(
        "search-curve",
        f"Validation loss of {len(losses)} networks in the order of training; the best falls "
        f"from {plain(best[0])} to {plain(best[-1])} nats",
        plot,
        width=4.8,
        height=3.1,
    )


def legend_of_rungs(material: Material) -> list[dict[str, str]]:
    """Return the legend of the search curve."""
    return [
        {
            "glyph": theme.glyph(level),
            "colour": theme.css_colour(level + 1),
            "name": f"rung {level + 1}, {epochs} {'epoch' if epochs == 1 else 'epochs'}",
        }
        for level, epochs in enumerate(material.rungs)
    ]


def _points(table: Any) -> Points:
    if not isinstance(table, dict):
        return []
    pairs = [(number(float(key)), number(value)) for key, value in table.items()]
    return sorted((key, value) for key, value in pairs if key is not None and value is not None)


def _ladder(name: str, table: Any, chosen: Any, label: str) -> dict[str, Any] | None:
    """Draw validation accuracy against what was tried, what was chosen being marked."""
    points = _points(table)
    if not points:
        return None
    rows = [{"tried": f"{key:.0f}", "accuracy": percent(value)} for key, value in points]
    if len(points) < 2:
        return {"rows": rows, "figure": None}

    def plot(axes: Axes) -> None:
        x, y = zip(*points, strict=True)
        axes.plot(x, y, color=theme.INK, linewidth=1.5, marker="o", markersize=5)
        for key, value in points:
            if key == number(chosen):
                axes.plot([key], [value], "D", color=theme.ACCENT, markersize=9)
        axes.set_xscale("log", base=2)
        axes.set_xticks(x, [f"{key:.0f}" for key in x])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.margins(x=0.1, y=0.2)
        axes.set_xlabel(label)
        axes.set_ylabel("validation accuracy")
        axes.grid(axis="y")

    told = "; ".join(f"{row['tried']}: {row['accuracy']}" for row in rows)
    drawn = theme.draw(name, f"Validation accuracy by {label}: {told}", plot, width=4.4, height=2.9)
    return {"rows": rows, "figure": drawn}


def _objective(history: list[Any], priced: bool) -> dict[str, Any] | None:
    values = [value for value in (number(entry) for entry in history) if value is not None]
    if not values:
        return None
    told = {
        "what": "validation loss and the price of compute" if priced else "validation loss",
        "first": plain(values[0], 3),
        "last": plain(values[-1], 3),
        "rounds": len(values),
    }
    if len(values) < 2:
        return {**told, "figure": None}

    def plot(axes: Axes) -> None:
        rounds = list(range(1, len(values) + 1))
        axes.plot(rounds, values, color=theme.INK, linewidth=1.5, marker="o", markersize=5)
        axes.plot(rounds[-1:], values[-1:], "D", color=theme.ACCENT, markersize=9)
        axes.set_xticks(rounds)
        axes.margins(x=0.15, y=0.25)
        axes.set_xlabel("round of specialisation")
        axes.set_ylabel("selection objective (nats)")
        axes.grid(axis="y")

    alt = "Selection objective by round: " + ", ".join(plain(value, 3) for value in values)
    return {**told, "figure": theme.draw("objective", alt, plot, width=4.4, height=2.9)}
