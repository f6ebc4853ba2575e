"""What the clock decided, on record: a resumed run agrees with it, whatever its own clock says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from moesaic.runs._session import Session

T = TypeVar("T", bool, int)


def on_record(session: Session[Any], name: str, decide: Callable[[], T]) -> T:
    """Return what was decided under a name; decide, and record it, where nothing was.

    Args:
        session: the run.
        name: of the decision, under which the bank keeps it.
        decide: asked once a run.
    """
    known: T | None = session.bank.meta(name)
    if known is None:
        known = decide()
        session.bank.set_meta(name, known)
    return known


def closed_by(session: Session[Any], name: str, step: int, share: float) -> bool:
    """Tell whether a stage is over at this step because a share of the budget is spent.

    Only the step at which it closed is recorded. What the clock allowed before is allowed again.

    Args:
        session: the run.
        name: of the stage's end, under which the bank keeps it.
        step: counts the steps of the stage; a resumed run counts alike.
        share: of the budget.
    """
    closed: int | None = session.bank.meta(name)
    if closed is None and session.out_of_time(share):
        closed = step
        session.bank.set_meta(name, closed)
    return closed is not None and step >= closed
