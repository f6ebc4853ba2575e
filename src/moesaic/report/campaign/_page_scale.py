"""Accuracies on a scale: ticks of figures, and intervals of table rows that share one scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from markupsafe import Markup

from moesaic.report._format import MINUS, number, signed
from moesaic.report.campaign._page_material import mapping

Interval = tuple[float, float, float]
_WIDTH, _HEIGHT, _PAD = 180.0, 26.0, 10.0


class Scale(NamedTuple):
    """What the left and the right end of a drawing stand for; zero lies between them."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return where a value lies, in pixels from the left edge."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return _PAD + (_WIDTH - 2 * _PAD) * min(1.0, max(0.0, share))


def read_interval(value: Any, times: float = 100.0) -> Interval | None:
    """Return mean, low and high in points of accuracy; None unless all three are known."""
    told = mapping(value)
    known = [number(told.get(name)) for name in ("mean", "low", "high")]
    mean, low, high = known
    if mean is None or low is None or high is None:
        return None
    return times * mean, times * low, times * high


def scale_of(intervals: Iterable[Interval | None]) -> Scale:
    """Return the scale that holds all intervals and zero."""
    known = [interval for interval in intervals if interval is not None]
    low = min((interval[1] for interval in known), default=0.0)
    high = max((interval[2] for interval in known), default=0.0)
    return Scale(min(low, 0.0), max(high, 0.0))


def describe_interval(interval: Interval | None) -> str:
    """Write where an interval begins and ends."""
    return "" if interval is None else f"{signed(interval[1])} to {signed(interval[2])}"


def write_tick(value: float, _place: int | None = None) -> str:
    """Write an accuracy beside an axis, with no more digits than it needs."""
    return f"{round(100 * value, 2):g}\u202f%".replace("-", MINUS)


def draw_on(scale: Scale, interval: Interval | None, tone: str = "open") -> Markup:
    """Draw one interval; the table says the same in words.

    Args:
        scale: shared by the rows of a table.
        interval: mean, low, high; the mean alone is drawn where all are equal.
        tone: `good`, `open` or `bad`: how the mean is filled.
    """
    if interval is None or scale.low == scale.high:
        return Markup("")
    mean, low, high = (scale.at(value) for value in interval)
    return Markup(
        '<svg class="interval {tone}" aria-hidden="true" width="{w:.0f}" '
        'viewBox="0 0 {w:.0f} {h:.0f}"><path class="axis" d="M{pad:.0f} {y:.0f}H{end:.0f}"/>'
        '<path class="zero" d="M{zero:.1f} 3V{foot:.0f}"/>'
        '<path class="reach" d="M{low:.1f} {y:.0f}H{high:.1f}"/>'
        '<circle class="mean" cx="{mean:.1f}" cy="{y:.0f}" r="4.5"/></svg>'
    ).format(
        tone=tone,
        w=_WIDTH,
        h=_HEIGHT,
        pad=_PAD,
        end=_WIDTH - _PAD,
        y=_HEIGHT / 2,
        zero=scale.at(0.0),
        foot=_HEIGHT - 3,
        low=low,
        high=high,
        mean=mean,
    )
