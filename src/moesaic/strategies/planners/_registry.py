"""Planners by name, built in or installed; it plans nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from moesaic.errors import InputError, unknown_name
from moesaic.strategies.planners._adaptive import AdaptivePlanner
from moesaic.strategies.planners._alphabetical import AlphabeticalPlanner
from moesaic.strategies.planners._base import Planner
from moesaic.strategies.planners._random import RandomPlanner
from moesaic.strategies.planners._ranked import RankedPlanner
from moesaic.strategies.planners._stratified import StratifiedPlanner

GROUP = "moesaic.planners"
BUILT_IN: dict[str, type[Planner]] = {
    kind.name: kind
    for kind in (
        AdaptivePlanner,
        AlphabeticalPlanner,
        RandomPlanner,
        RankedPlanner,
        StratifiedPlanner,
    )
}


def planner_names() -> list[str]:
    """Return every name `get_planner` knows, sorted."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def get_planner(name: str, pool: Sequence[str], experts: int, seed: int = 0) -> Planner:
    """Return a new planner; installed ones are found by the entry point group.

    Args:
        name: one of `planner_names()`.
        pool: (n,) names of the families, in any order.
        experts: K, the families in a mixture.
        seed: the campaign's seed.

    Raises:
        InputError: nobody registered that name, what was registered is no planner, K is not
            2 to 8, the pool has fewer families than K, or one twice.
    """
    if name in BUILT_IN:
        return BUILT_IN[name](pool, experts, seed)
    for point in entry_points(group=GROUP):
        if point.name == name:
            made = point.load()(pool, experts, seed)
            if not isinstance(made, Planner):
                raise InputError(f"planner '{name}' ({point.value}) makes no Planner: fix it")
            return made
    raise unknown_name("planner", name, planner_names())
