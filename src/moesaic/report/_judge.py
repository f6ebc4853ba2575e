"""What a figure means in plain words; the limits are rules of thumb and are stated with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from moesaic.report._format import number, percent


class Judgement(NamedTuple):
    """A short verdict with its tone: `good`, `open` or `bad`."""

    tone: str
    text: str


UNKNOWN = Judgement("open", "not measured")


def interval_above_zero(interval: Mapping[str, Any] | None) -> Judgement:
    """Say whether something pays, from its 95 % interval."""
    if not interval:
        return UNKNOWN
    low, high = number(interval.get("low")), number(interval.get("high"))
    if low is None or high is None:
        return UNKNOWN
    if low == high == 0:
        return Judgement("open", "no difference")
    if low > 0:
        return Judgement("good", "pays")
    if high < 0:
        return Judgement("bad", "harms")
    return Judgement("open", "not shown")


def silhouette(value: Any) -> Judgement:
    """Judge the mean silhouette, -1 .. 1."""
    return _steps(
        value,
        (0.5, "good", "the clusters stand well apart"),
        (0.25, "good", "the clusters are visible but touch"),
        (0.1, "open", "the clusters overlap"),
        (-1.0, "bad", "there are hardly any clusters to speak of"),
    )


def stability(value: Any) -> Judgement:
    """Judge the mean adjusted Rand index between clusterings of resamples."""
    return _steps(
        value,
        (0.9, "good", "other samples of the data give the same clusters"),
        (0.7, "open", "other samples of the data give mostly the same clusters"),
        (-1.0, "bad", "other samples of the data give other clusters"),
    )


def routability(value: Any, shares: list[float]) -> Judgement:
    """Judge a gate-sized network's held-out accuracy at naming the cluster.

    Args:
        value: the accuracy, 0 .. 1.
        shares: of the clusters; always naming the largest is what costs no network.
    """
    known = number(value)
    if known is None:
        return UNKNOWN
    blind = max(shares, default=0.0)
    if len(shares) < 2:
        return Judgement("open", "with one cluster there is nothing to tell apart")
    told = f"(always naming the largest would be right on {percent(blind, 0)})"
    if known >= 0.95:
        return Judgement("good", f"a small gate tells the clusters apart {told}")
    if known >= 0.85:
        return Judgement("open", f"a small gate tells them apart most of the time {told}")
    return Judgement("bad", f"a small gate often sends a sample to the wrong expert {told}")


def purity_of_domains(value: Any) -> Judgement:
    """Judge how far the clusters are the sources the data came from."""
    return _steps(
        value,
        (0.95, "good", "each cluster comes from one source, found without being told"),
        (0.8, "open", "most of each cluster comes from one source"),
        (0.0, "open", "the clusters are not the sources the data came from"),
    )


def purity_of_labels(value: Any) -> Judgement:
    """Judge how far the clusters are the classes."""
    return _steps(
        value,
        (0.9, "open", "each cluster is nearly one class: the gate already classifies"),
        (0.5, "open", "each cluster is dominated by one class"),
        (0.0, "open", "each cluster holds many classes: an expert still has to classify"),
    )


def _steps(value: Any, *steps: tuple[float, str, str]) -> Judgement:
    known = number(value)
    if known is None:
        return UNKNOWN
    for least, tone, text in steps:
        if known >= least:
            return Judgement(tone, text)
    return Judgement(steps[-1][1], steps[-1][2])
