"""Finds a search space by name, built in or installed by a third party; it loads only that one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from moesaic.errors import InputError, unknown_name
from moesaic.spaces._base import SearchSpace
from moesaic.spaces._cells import CellSpace, nasbench201, sanas
from moesaic.spaces._vector_cells import VectorCellSpace
from moesaic.spaces.families import FamilySpace

ENTRY_POINT_GROUP = "moesaic.spaces"
_BUILT_IN: dict[str, Callable[..., SearchSpace]] = {
    "cells": CellSpace,
    "families": FamilySpace,
    "nasbench201": nasbench201,
    "sanas": sanas,
    "vector_cells": VectorCellSpace,
}


def space_names() -> tuple[str, ...]:
    """Return every name `get_space` knows, sorted; entry points are listed, not loaded."""
    installed = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return tuple(sorted(installed | set(_BUILT_IN)))


def get_space(name: str, **options: Any) -> SearchSpace:
    """Return the search space of that name.

    Args:
        name: a built-in (`nasbench201`, `sanas`, `cells`, `vector_cells`, `families`) or the name
            of an entry point in the group `moesaic.spaces` that loads a callable returning a
            SearchSpace.
        **options: handed to it (`widths`, `cells_per_stage`; `cells` and `vector_cells` also
            take `vertices`, `operations` and `wiring`; `families` takes only `pool`).

    Raises:
        InputError: the name is unknown or the space does not take these options.
    """
    factory = _factory(name)
    known = [p for p in inspect.signature(factory).parameters if p != "name"]
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        raise InputError(
            f"space '{name}' takes the options {', '.join(known) or 'none'}: {error}"
        ) from error
    return factory(**options)


def _factory(name: str) -> Callable[..., SearchSpace]:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == name:
            factory: Callable[..., SearchSpace] = point.load()
            return factory
    raise unknown_name("space", name, space_names())
