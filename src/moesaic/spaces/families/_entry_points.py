"""Families that installed packages offer as entry points; only the one asked for is loaded."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from moesaic.errors import InputError
from moesaic.spaces.families._words import in_one_line

GROUP = "moesaic.families"


def offered() -> dict[str, EntryPoint]:
    """Return the entry points of the group by the family's name; none is loaded."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, point)
    return found


def provider_of(point: EntryPoint) -> str:
    """Return the name of the distribution that an entry point belongs to."""
    return point.dist.name if point.dist is not None else "entry point"


def load(point: EntryPoint) -> object:
    """Return what the entry point names, a build function.

    Raises:
        InputError: it cannot be imported or is not callable.
    """
    try:
        build = point.load()
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(
            f"family {point.name!r} of {provider_of(point)} cannot be loaded from {point.value}: "
            f"{in_one_line(error)}"
        ) from error
    if not callable(build):
        raise InputError(
            f"family {point.name!r} of {provider_of(point)}: {point.value} is a "
            f"{type(build).__name__}, expected a function build(input_shape, classes)"
        )
    return build
