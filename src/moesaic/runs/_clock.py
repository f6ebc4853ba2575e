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

    The step at which it closed is recorded, and the last at which it had not: what the clock
    allowed before is allowed again, though the budget be edited in between.

    Args:
        session: the run.
        name: of the stage's end, under which the bank keeps it.
        step: counts the steps of the stage; a resumed run counts alike.
        share: of the budget.
    """
    closed: int | None = session.bank.meta(name)
    if closed is not None:
        return step >= closed
    going_on = f"{name}_not_by"
    allowed: int | None = session.bank.meta(going_on)
    if allowed is not None and step <= allowed:
        return False
    over = session.out_of_time(share)
    session.bank.set_meta(name if over else going_on, step)
    return over
