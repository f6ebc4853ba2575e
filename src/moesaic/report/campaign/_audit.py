"""The audit of a design: what was covered, what was favoured, what failed; it reads no accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from moesaic.report.campaign._candidates import Candidate
from moesaic.report.campaign._chance import failure_p, holm, inclusion_p, order_p, uniform_p
from moesaic.report.campaign._next import next_members
from moesaic.report.campaign._space import Integers, Space, make_space

_MOST_PAIRS = 1000


def audit(
    candidates: Sequence[Candidate],
    pool: Sequence[str] | None = None,
    *,
    more: int = 10,
    seed: int = 0,
) -> dict[str, Any]:
    """Say how a campaign covered its space and whether its choice was uniform.

    Judged are the different candidates that were tried, in the order of their first trial; of
    a campaign that has tried none yet, those planned. Tests are exact but for `uniform_p` and
    `prefix_p`, which come from 1,999 seeded draws and are never below 1 / 2000.

    Args:
        candidates: at least one, all of one size, in the order of the campaign.
        pool: the families that could have been chosen; those that were, when not given.
        more: how many candidates to propose.
        seed: of the Monte-Carlo tests.

    Returns:
        A JSON-able mapping; docs/audit.md says what each name holds.

    Raises:
        InputError: a candidate holds a family that is not in the pool.
    """
    space = make_space(candidates, pool)
    tried = [found for found in candidates if found.status != "planned"]
    first: dict[frozenset[str], Candidate] = {}
    for found in tried or candidates:  # each in the place of its first trial
        first.setdefault(found.key, found)
    judged = list(first.values())
    members = space.members(judged)
    families = _families(space, members)
    return {
        "anchored": [row["name"] for row in families if row["count"] == len(judged)],
        "space": space.size,
        "distinct": len(judged),
        "share": len(judged) / space.size,
        "uniform_p": uniform_p(space, members, seed),
        "families": families,
        "prefix_p": order_p(members, len(space.pool), seed),
        "next": _names(space, next_members(space, space.members(candidates), more)),
        "pool": list(space.pool),
        "experts": space.experts,
        **_counts(candidates),
        "pairs": _pairs(space, members),
        "failures": _failures(space, tried),
    }


def _names(space: Space, rows: Sequence[tuple[int, ...]]) -> list[list[str]]:
    return [[space.pool[place] for place in row] for row in rows]


def _counts(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Count the rows of a campaign; a candidate that was tried twice counts twice."""
    states = Counter(found.status for found in candidates)
    return {
        "planned": len(candidates),
        "tried": states["done"] + states["failed"],
        "finished": states["done"],
        "failed": states["failed"],
    }


def _families(space: Space, members: Integers) -> list[dict[str, Any]]:
    counts = np.bincount(members.ravel(), minlength=len(space.pool))
    p = inclusion_p(space, 1, len(members), counts)
    expected = len(members) * space.experts / len(space.pool)
    return [
        {
            "name": name,
            "count": int(count),
            "expected": expected,
            "p": float(raw),
            "p_holm": float(adjusted),
        }
        for name, count, raw, adjusted in zip(space.pool, counts, p, holm(p), strict=True)
    ]


def _pairs(space: Space, members: Integers) -> dict[str, Any]:
    """Count every pair of families; the most surprising ones are listed."""
    size = len(space.pool)
    seen: Counter[tuple[int, int]] = Counter(
        pair for row in members.tolist() for pair in combinations(row, 2)
    )
    every = list(combinations(range(size), 2))
    counts = np.array([seen[pair] for pair in every], dtype=np.int64)
    expected = len(members) * space.holding(2) / space.size
    p = inclusion_p(space, 2, len(members), counts)
    adjusted = holm(p)
    order = np.argsort(p, kind="stable")[:_MOST_PAIRS]
    return {
        "total": len(every),
        "covered": int((counts > 0).sum()),
        "expected": expected,
        "listed": [
            {
                "names": [space.pool[place] for place in every[index]],
                "count": int(counts[index]),
                "p": float(p[index]),
                "p_holm": float(adjusted[index]),
            }
            for index in order.tolist()
        ],
    }


def _failures(space: Space, tried: Sequence[Candidate]) -> dict[str, Any]:
    """Say which families are in more of the failed than chance would put there."""
    failed = np.array([found.status == "failed" for found in tried], dtype=bool)
    causes = Counter(found.cause or "unknown" for found in tried if found.status == "failed")
    rows: list[dict[str, Any]] = []
    if failed.any():
        holds = np.zeros((len(tried), len(space.pool)), dtype=bool)
        np.put_along_axis(holds, space.members(tried), True, axis=1)
        p = failure_p(holds, failed)
        adjusted = holm(p)
        rows = [
            {
                "name": space.pool[place],
                "failed": int(holds[failed, place].sum()),
                "tried": int(holds[:, place].sum()),
                "p": float(p[place]),
                "p_holm": float(adjusted[place]),
            }
            for place in np.argsort(p, kind="stable").tolist()
            if holds[:, place].any()
        ]
    return {"causes": dict(causes.most_common()), "families": rows}
