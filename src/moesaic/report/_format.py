"""Numbers as a person reads them; anything unknown becomes a dash."""

from __future__ import annotations

import math
from typing import Any

DASH = "–"
MINUS = "−"
_NARROW = "\u202f"


def number(value: Any) -> float | None:
    """Return a finite float, None for what is missing or not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def percent(value: Any, digits: int = 1) -> str:
    """Write a share of 1 as per cent: 0.931 as 93.1 %."""
    known = number(value)
    return DASH if known is None else f"{100 * known:.{digits}f}{_NARROW}%"


def signed(value: Any, digits: int = 1) -> str:
    """Write a number with its sign; what rounds to zero has none."""
    known = number(value)
    if known is None:
        return DASH
    text = f"{known:+.{digits}f}"
    if float(text) == 0:
        return text[1:]
    return text.replace("-", MINUS)


def plain(value: Any, digits: int = 2) -> str:
    """Write a number with this many digits after the point."""
    known = number(value)
    return DASH if known is None else f"{known:.{digits}f}".replace("-", MINUS)


def whole(value: Any) -> str:
    """Write a count with thousands set apart."""
    known = number(value)
    return DASH if known is None else f"{round(known):,}".replace(",", _NARROW)


def amount(value: Any) -> str:
    """Write a large count with three digits and k, M or G."""
    known = number(value)
    if known is None:
        return DASH
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(known) >= 0.9995 * size:
            scaled = known / size
            digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
            return f"{scaled:.{digits}f}{_NARROW}{unit}"
    return whole(known)


def duration(value: Any) -> str:
    """Write seconds as a person says them."""
    known = number(value)
    if known is None:
        return DASH
    if known < 9.95:
        return f"{known:.1f}{_NARROW}s"
    seconds = round(known)
    if seconds < 60:
        return f"{seconds}{_NARROW}s"
    if seconds < 3600:
        return f"{seconds // 60}{_NARROW}min {seconds % 60:02d}{_NARROW}s"
    return f"{seconds // 3600}{_NARROW}h {seconds % 3600 // 60:02d}{_NARROW}min"


def size_of_memory(value: Any) -> str:
    """Write bytes as MiB or GiB; nothing measured is a dash."""
    known = number(value)
    if not known:
        return DASH
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if known >= size:
            return f"{known / size:.{1 if known < 100 * size else 0}f}{_NARROW}{unit}"
    return f"{round(known)}{_NARROW}B"


def listed(names: list[str]) -> str:
    """Join names as in a sentence: a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
