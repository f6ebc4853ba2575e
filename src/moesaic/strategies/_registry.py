"""Strategies by name, built in or installed; it proposes nothing."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from numpy.typing import ArrayLike

from moesaic.errors import InputError, unknown_name
from moesaic.spaces import SearchSpace
from moesaic.strategies._base import Strategy
from moesaic.strategies._guided import DecomposedStrategy
from moesaic.strategies._joint import JointStrategy
from moesaic.strategies._sgem import SgemStrategy
from moesaic.strategies._simple import EvolutionStrategy, RandomStrategy

GROUP = "moesaic.strategies"
BUILT_IN: dict[str, type[Strategy]] = {
    kind.name: kind
    for kind in (DecomposedStrategy, EvolutionStrategy, JointStrategy, RandomStrategy, SgemStrategy)
}


def strategy_names() -> list[str]:
    """Return every name `get_strategy` knows, sorted."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def get_strategy(
    name: str,
    space: SearchSpace,
    experts: int,
    weight: ArrayLike,
    seed: int = 0,
    **options: Any,
) -> Strategy:
    """Return a new strategy; installed ones are found by the entry point group.

    Args:
        name: one of `strategy_names()`.
        space: where architectures come from.
        experts: K.
        weight: (M,) cluster sizes.
        seed: the run's seed.
        options: keyword arguments of that strategy.

    Raises:
        InputError: nobody registered that name, or what was registered is no strategy.
    """
    if name in BUILT_IN:
        return BUILT_IN[name](space, experts, weight, seed, **options)
    for point in entry_points(group=GROUP):
        if point.name == name:
            made = point.load()(space, experts, weight, seed, **options)
            if not isinstance(made, Strategy):
                raise InputError(f"strategy '{name}' ({point.value}) makes no Strategy: fix it")
            return made
    raise unknown_name("strategy", name, strategy_names())
