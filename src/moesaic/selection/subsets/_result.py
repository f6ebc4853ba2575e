"""What scoring the subsets of a bank found; it computes nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ranked:
    """One subset of the experts.

    Attributes:
        members: K rows of the losses, ascending.
        score: corrected for having been chosen, in the unit of the score.
        low: of the 95 % interval of `score` over validation samples.
        high: of the same.
        raw: the score on all samples, by which it was ranked; optimistic.
    """

    members: tuple[int, ...]
    score: float
    low: float
    high: float
    raw: float


@dataclass(frozen=True)
class Ranking:
    """The best subsets, best first.

    Attributes:
        best: at most as many as were asked for.
        scored: how many subsets were scored.
        space: how many there are within `must_have` and `must_not`, exact.
        exhaustive: whether every subset that obeys the limits was scored.
        bound: no subset has a better raw score than this; None where nothing is known.
        higher_is_better: of the score.
    """

    best: tuple[Ranked, ...]
    scored: int
    space: int
    exhaustive: bool
    bound: float | None
    higher_is_better: bool
