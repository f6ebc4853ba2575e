"""What a strategy asked for in every round, and what its surrogate foretold; it judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moesaic.bank import Bank, Trial

_NAME = "asked"


@dataclass(frozen=True)
class Asked:
    """One round of ask and tell.

    Attributes:
        trials: keys of the trials that were planned, (n,).
        predicted: the loss (M,) in nats foretold of each, compute counted at `price`; None where
            no surrogate was asked.
        price: of compute in what was foretold, nats per multiply-accumulate.
        expected: the mean loss in nats on a trial's own clusters, compute counted at `price`, where
            the surrogate foretells that alone; else None, (n,).
    """

    trials: tuple[str, ...]
    predicted: tuple[tuple[float, ...] | None, ...]
    price: float
    expected: tuple[float | None, ...]

    @property
    def foretold(self) -> int:
        """Of how many trials anything was foretold."""
        pairs = zip(self.predicted, self.expected, strict=True)
        return sum(told is not None or own is not None for told, own in pairs)


def record_asked(
    bank: Bank,
    number: int,
    trials: Sequence[Trial],
    predicted: Sequence[tuple[float, ...] | None],
    price: float = 0.0,
    expected: Sequence[float | None] | None = None,
) -> None:
    """Write down a round before it is trained; one that is written down already stays as it is.

    Args:
        bank: of the run.
        number: of the round, from 0.
        trials: what was planned, (n,).
        predicted: the loss (M,) in nats foretold of each; None where no surrogate was asked.
        price: of compute in what was foretold, nats per multiply-accumulate.
        expected: the mean loss in nats foretold on the own clusters of each, (n,), by a surrogate
            that foretells no more; none when not given.
    """
    known: list[dict[str, Any]] = bank.meta(_NAME) or []
    if number >= len(known):
        told = [None if one is None else list(one) for one in predicted]
        keys = [trial.key for trial in trials]
        own = [None] * len(keys) if expected is None else list(expected)
        asked = {"trials": keys, "predicted": told, "price": price, "expected": own}
        bank.set_meta(_NAME, [*known, asked])


def read_asked(bank: Bank) -> list[Asked]:
    """Return the rounds of a run in order; none for a run that wrote none down."""
    return [
        Asked(
            tuple(one["trials"]),
            tuple(None if told is None else tuple(told) for told in one["predicted"]),
            float(one["price"]),
            # runs of an earlier version did not write this down
            tuple(one.get("expected") or [None] * len(one["trials"])),
        )
        for one in bank.meta(_NAME) or []
    ]
