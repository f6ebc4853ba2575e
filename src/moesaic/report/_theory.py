"""The section on the theory: what the published argument assumes, against what happened."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from moesaic.report import _theme as theme
from moesaic.report._format import DASH, number, plain, signed
from moesaic.report._judge import UNKNOWN, Judgement
from moesaic.report._material import Material

_ALIKE, _HARDLY = 0.95, 0.8


def build_theory(material: Material) -> dict[str, Any]:
    """Return what the template of this section reads."""
    found = material.result.get("theory") or {}
    return {
        "measured": bool(found),
        "priced": material.config.priced,
        "rows": _figures(found) if found else [],
        "rounds": _rounds(found.get("rounds") or []),
        "asked": len(found.get("rounds") or []),
        "path": _path(found.get("objective") or []),
        "operations": _operations(found.get("operations") or []),
    }


def _row(name: str, meaning: str, value: str, judgement: Judgement) -> dict[str, Any]:
    return {"name": name, "meaning": meaning, "value": value, "judgement": judgement}


def _figures(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        _row(
            "Error of the surrogate",
            "largest, and mean, difference between the loss that was predicted before a training "
            "was paid for and the loss it measured, over proposals and clusters",
            ", ".join(_nats(found.get(f"surrogate_error_{part}")) for part in ("max", "mean")),
            _asked(found),
        ),
        _row(
            "Violations of the ascent",
            "rounds after which the best measured objective of the bank was worse than before",
            _count(found.get("ascent_violations")),
            _none_is_good(found.get("ascent_violations"), "it never got worse"),
        ),
        _row(
            "Violations of the bound",
            "rounds in which the experts that the surrogate believed in measured worse than the "
            "incumbent by more than twice the largest error of the round",
            _count(found.get("bound_violations")),
            _bound(found),
        ),
        _row(
            "Optimism of the best objective",
            "how much worse a selection is on samples that did not choose it; one half of the "
            "validation samples chooses, the other measures",
            _with_interval(found.get("optimism"), found.get("optimism_interval")),
            Judgement("open", "subtract it from any gain that the selection promises"),
        ),
        _row(
            "Joint less cluster-wise, on the bank",
            "what it costs that K experts share the clusters, against every cluster having its "
            "own best architecture",
            _nats(found.get("joint_minus_decomposed")),
            Judgement("open", "more experts could gain at most this from other architectures"),
        ),
        _row(
            "Joint less cluster-wise, trained",
            "the chosen experts and routing against experts trained on the groups alone, each "
            "group keeping its own; below zero: choosing jointly is better",
            _nats(found.get("joint_minus_decomposed_trained"), sign=True),
            _joint(found.get("joint_minus_decomposed_trained")),
        ),
        _row(
            "Rank correlation between clusters",
            "whether clusters order the architectures alike; when it is 1, heterogeneity cannot "
            "help. Two halves of one cluster: "
            f"{plain(found.get('same_cluster_correlation'))}, the most that so few samples show",
            plain(found.get("cluster_rank_correlation")),
            _alike(found),
        ),
        _row(
            "Entropy of the routing",
            "of the experts' shares as planned, and under the trained gate on the test split; 0 "
            "is a collapse onto one expert",
            f"{_nats(found.get('routing_entropy'))}, {_nats(found.get('routing_entropy_gate'))}",
            _collapse(found),
        ),
    ]


def _nats(value: Any, *, sign: bool = False) -> str:
    known = number(value)
    if known is None:
        return DASH
    return f"{signed(known, 3) if sign else plain(known, 3)} nats"


def _count(value: Any) -> str:
    known = number(value)
    return DASH if known is None else f"{known:.0f}"


def _with_interval(value: Any, interval: Any) -> str:
    low, high = (number((interval or {}).get(part)) for part in ("low", "high"))
    if low is None or high is None:
        return _nats(value)
    return f"{_nats(value)} ({signed(low, 3)} to {signed(high, 3)})"


def _asked(found: dict[str, Any]) -> Judgement:
    if number(found.get("surrogate_error_max")) is None:
        return Judgement("open", "no network was proposed by a surrogate: nothing was predicted")
    rounds = [one for one in found.get("rounds") or [] if one.get("predicted")]
    total = sum(int(one["predicted"]) for one in rounds)
    told = "1 round" if len(rounds) == 1 else f"{len(rounds)} rounds"
    return Judgement("open", f"{total} networks in {told} were proposed by a surrogate")


def _none_is_good(value: Any, text: str) -> Judgement:
    known = number(value)
    if known is None:
        return Judgement("open", "no surrogate proposed, so there is nothing to hold")
    return Judgement("good", text) if known == 0 else Judgement("bad", "it did not hold")


def _bound(found: dict[str, Any]) -> Judgement:
    known = found.get("bound_violations")
    if number(known) is None and number(found.get("surrogate_error_max")) is not None:
        return Judgement(
            "open",
            "the surrogate foretells the loss on an expert's own clusters alone, so no choice",
        )
    return _none_is_good(known, "the bound held in every round")


def _joint(value: Any) -> Judgement:
    known = number(value)
    if known is None:
        return UNKNOWN
    if known < 0:
        return Judgement("good", "choosing experts and routing together was better")
    if known == 0:
        return Judgement("open", "both are the same")
    return Judgement("open", "worse: the selection minimised more than the loss")


def _alike(found: dict[str, Any]) -> Judgement:
    known = number(found.get("cluster_rank_correlation"))
    if known is None:
        return UNKNOWN
    most = number(found.get("same_cluster_correlation"))
    if known >= _ALIKE or (most is not None and most > 0 and known >= _ALIKE * most):
        return Judgement("bad", "all clusters order them alike: different experts cannot help")
    if known >= _HARDLY:
        return Judgement("open", "the clusters order them much alike: little to gain")
    return Judgement("good", "the clusters order them differently")


def _collapse(found: dict[str, Any]) -> Judgement:
    gate, planned = (
        number(found.get(name)) for name in ("routing_entropy_gate", "routing_entropy")
    )
    known = planned if gate is None else gate
    if known is None:
        return UNKNOWN
    if known == 0:
        return Judgement("bad", "one expert does everything")
    return Judgement("good", "no expert does everything")


def _rounds(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "round": int(one["round"]) + 1,
            "asked": one.get("asked"),
            "predicted": one.get("predicted"),
            "error_max": plain(one.get("error_max"), 3),
            "error_mean": plain(one.get("error_mean"), 3),
            "error_sum": plain(one.get("error_sum"), 3),
            "before": plain(one.get("before"), 3),
            "believed": plain(one.get("believed"), 3),
            "achieved": plain(one.get("achieved"), 3),
            "after": plain(one.get("after"), 3),
        }
        for one in rounds
        if number(one.get("error_max")) is not None
    ]


def _path(entries: list[dict[str, Any]]) -> Markup | None:
    points = [(str(one.get("after")), number(one.get("objective"))) for one in entries]
    known = [(name, value) for name, value in points if value is not None]
    if len(known) < 2:
        return None
    names, values = [name for name, _ in known], [value for _, value in known]

    def plot(axes: Axes) -> None:
        places = list(range(len(values)))
        axes.step(places, values, where="mid", color=theme.INK, linewidth=1.5)
        axes.plot(places, values, "o", color=theme.ACCENT, markersize=5)
        axes.set_xticks(places, names, rotation=35, ha="right", rotation_mode="anchor")
        axes.margins(x=0.05, y=0.15)
        axes.set_ylabel("best objective (nats)")
        axes.grid(axis="y")

    alt = "Best measured objective of the bank: " + "; ".join(
        f"{name} {plain(value, 3)}" for name, value in known
    )
    return theme.draw("theory-path", alt, plot, width=5.2, height=3.2)


def _operations(clusters: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not clusters:
        return None
    names = [str(one["operation"]) for one in clusters[0]["operations"]]
    return {
        "columns": [f"Cluster {int(one['cluster']) + 1}" for one in clusters],
        "rows": [
            {
                "name": name,
                "cells": [_effect(one, place) for one in clusters],
            }
            for place, name in enumerate(names)
        ],
        "preferred": [
            f"cluster {int(one['cluster']) + 1}: {one['preferred']}"
            for one in clusters
            if one.get("preferred")
        ],
    }


def _effect(cluster: dict[str, Any], place: int) -> dict[str, Any]:
    told = cluster["operations"][place]
    effect = told["effect"]
    low, high = number(effect.get("low")), number(effect.get("high"))
    apart = told.get("apart") or {}
    own = (number(apart.get("low")) or 0.0) > 0 or (number(apart.get("high")) or 0.0) < 0
    return {
        "label": f"Cluster {int(cluster['cluster']) + 1}",
        "mean": signed(effect.get("mean"), 3) + (" *" if own else ""),
        "interval": f"{signed(low, 3)} to {signed(high, 3)}",
    }
