"""What to train next so that a design covers its space evenly; it trains and stores nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from moesaic.report.campaign._space import Integers, Space


def next_members(space: Space, members: Integers, count: int) -> list[tuple[int, ...]]:
    """Return up to `count` untried candidates, as places in the pool, ascending.

    Greedy: each takes, one after another, the family used least so far, among equals the one
    whose pairs with those already taken were used least, then the first in the pool.

    Args:
        space: all candidates.
        members: (D, K) the candidates that need not be tried.
        count: how many; fewer come back only when the space is exhausted.
    """
    tried = {tuple(row) for row in members.tolist()}
    used = np.zeros(len(space.pool), dtype=np.int64)
    met = np.zeros((len(space.pool), len(space.pool)), dtype=np.int64)
    for row in members.tolist():
        _note(row, used, met)
    found: list[tuple[int, ...]] = []
    while len(found) < count and len(tried) < space.size:
        chosen = next(row for row in _by_preference(space, used, met, ()) if row not in tried)
        tried.add(chosen)
        found.append(chosen)
        _note(chosen, used, met)
    return found


def _note(row: list[int] | tuple[int, ...], used: Integers, met: Integers) -> None:
    used[list(row)] += 1
    met[np.ix_(row, row)] += 1


def _by_preference(
    space: Space, used: Integers, met: Integers, taken: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    """Yield every candidate that holds what is taken, the preferred one first."""
    if len(taken) == space.experts:
        yield tuple(sorted(taken))
        return
    pairs = met[:, list(taken)].sum(axis=1)
    for place in np.lexsort((pairs, used)).tolist():
        if place not in taken:
            yield from _by_preference(space, used, met, (*taken, place))
