"""Wording what foreign code raised, for a message of one line; it raises nothing."""

from __future__ import annotations


def in_one_line(error: BaseException) -> str:
    """Return the type and the message of an error, without line breaks."""
    what = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {what}"
