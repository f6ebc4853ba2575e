"""The longer statements of the bank; they run inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, insert, select

from moesaic.bank._codec import trial_values
from moesaic.bank._records import Kind, Status, Trial
from moesaic.bank._schema import observations, places, trials
from moesaic.errors import InputError

T = TypeVar("T")
_CHUNK = 500  # how many values an IN list may hold on every database


def placed(
    stage: str | None = None,
    status: Status | None = None,
    kind: Kind | None = None,
    key: str | None = None,
) -> Select[Any]:
    """Select trials, one row a place: stages in the order of their first planning, then index."""
    first = (
        select(places.c.stage, func.min(places.c.id).label("first"))
        .group_by(places.c.stage)
        .subquery()
    )
    query = (
        select(*trials.c, places.c.stage, places.c.idx)
        .join(places, places.c.trial_key == trials.c.key)
        .join(first, first.c.stage == places.c.stage)
        .order_by(first.c.first, places.c.idx)
    )
    wanted = (
        (places.c.stage, stage),
        (trials.c.status, status),
        (trials.c.kind, kind),
        (trials.c.key, key),
    )
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    return query


def observed(
    stage: str | None = None, kind: Kind | None = None, key: str | None = None
) -> Select[Any]:
    """Select finished trials with what they measured, one row a place, ordered as `placed`."""
    return (
        placed(stage, "done", kind, key)
        .join(observations, observations.c.trial_key == trials.c.key)
        .add_columns(*(column for column in observations.c if column.name != "trial_key"))
    )


def once(rows: Iterable[Row[Any]], stage: str | None) -> Iterator[Row[Any]]:
    """Yield every place of a stage; over all stages, every key only at its first place."""
    seen: set[str] = set()
    for row in rows:
        if stage is None and row.key in seen:
            continue
        seen.add(row.key)
        yield row


def add(connection: Connection, planned: Sequence[Trial], now: float) -> None:
    """Insert the trials and places that are not there yet.

    Raises:
        InputError: a place is already taken by other work.
    """
    known = _known_keys(connection, sorted({trial.key for trial in planned}))
    taken = _taken_places(connection, planned)
    new_trials: list[dict[str, Any]] = []
    new_places: list[dict[str, Any]] = []
    for trial in planned:
        place, key = (trial.stage, trial.index), trial.key
        if taken.get(place, key) != key:
            raise InputError(
                f"stage '{trial.stage}' index {trial.index} is planned as trial {taken[place]}, "
                f"not {key}: continue a run with the data and configuration it was started with"
            )
        if key not in known:
            known.add(key)
            columns = {"status": "planned", "attempts": 0, "planned_at": now}
            new_trials.append(trial_values(trial) | columns)
        if place not in taken:
            taken[place] = key
            new_places.append({"stage": trial.stage, "idx": trial.index, "trial_key": key})
    if new_trials:
        connection.execute(insert(trials), new_trials)
    if new_places:
        connection.execute(insert(places), new_places)


def _known_keys(connection: Connection, keys: list[str]) -> set[str]:
    known: set[str] = set()
    for chunk in _chunks(keys):
        known.update(connection.scalars(select(trials.c.key).where(trials.c.key.in_(chunk))))
    return known


def _taken_places(connection: Connection, planned: Sequence[Trial]) -> dict[tuple[str, int], str]:
    taken: dict[tuple[str, int], str] = {}
    stages: dict[str, list[int]] = {}
    for trial in planned:
        stages.setdefault(trial.stage, []).append(trial.index)
    for stage, indices in stages.items():
        for chunk in _chunks(indices):
            query = select(places.c.idx, places.c.trial_key).where(
                places.c.stage == stage, places.c.idx.in_(chunk)
            )
            taken.update({(stage, row.idx): row.trial_key for row in connection.execute(query)})
    return taken


def _chunks(values: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
