"""Surrogates by name, built in or installed; it holds no model."""

from __future__ import annotations

from importlib.metadata import entry_points

from moesaic.errors import InputError, unknown_name
from moesaic.spaces import SearchSpace
from moesaic.surrogate._base import Surrogate
from moesaic.surrogate._blend import (
    BlendSurrogate,
    BoostingSurrogate,
    GaussianProcessSurrogate,
    GraphNetworkSurrogate,
    GraphProcessSurrogate,
    RidgeSurrogate,
    TreesSurrogate,
)

GROUP = "moesaic.surrogates"
BUILT_IN: dict[str, type[Surrogate]] = {
    "blend": BlendSurrogate,
    "ridge": RidgeSurrogate,
    "trees": TreesSurrogate,
    "gaussian_process": GaussianProcessSurrogate,
    "graph_process": GraphProcessSurrogate,
    "boosting": BoostingSurrogate,
    "graph_network": GraphNetworkSurrogate,
}


def surrogate_names() -> list[str]:
    """Return every name `get_surrogate` knows, sorted."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def get_surrogate(name: str, space: SearchSpace, seed: int = 0) -> Surrogate:
    """Return a new surrogate; installed ones are found by the entry point group.

    Raises:
        InputError: nobody registered that name, or what was registered is no surrogate.
    """
    if name in BUILT_IN:
        return BUILT_IN[name](space, seed)
    for point in entry_points(group=GROUP):
        if point.name == name:
            made = point.load()(space, seed)
            if not isinstance(made, Surrogate):
                raise InputError(f"surrogate '{name}' ({point.value}) makes no Surrogate: fix it")
            return made
    raise unknown_name("surrogate", name, surrogate_names())
