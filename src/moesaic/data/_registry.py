"""The names that `--data` knows: built-in sources, registered ones, those of installed packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from moesaic.data._digits import DigitsSource
from moesaic.data._mosaic import MosaicSource
from moesaic.data._source import DataSource
from moesaic.data._textures import TexturesSource
from moesaic.data._toy import ToySource
from moesaic.errors import InputError

ENTRY_POINTS = "moesaic.sources"

_SOURCES: dict[str, Callable[[], DataSource]] = {
    "mosaic": MosaicSource,
    "digits": DigitsSource,
    "textures": TexturesSource,
    "toy": ToySource,
}


def register_source(name: str, factory: Callable[[], DataSource]) -> None:
    """Make a source known under a name, for this process.

    Args:
        name: what goes into `--data`, without `+`, `:` and path separators.
        factory: called without arguments when the source is wanted; usually the class.

    Raises:
        InputError: the name is taken or cannot be written in `--data`.
    """
    if not name or set(name) & set("+:/\\ "):
        raise InputError(f"'{name}' cannot be the name of a source: use letters, digits, '-', '_'")
    if name in _SOURCES:
        raise InputError(f"the source '{name}' is registered already: choose another name")
    _SOURCES[name] = factory


def source_names() -> list[str]:
    """Return all names, those of installed packages included (they are not imported)."""
    return sorted({*_SOURCES, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def find_source(name: str) -> DataSource | None:
    """Return the source of a name, or None; a package is imported only for a name of its own.

    Raises:
        InputError: a package offers the name and cannot deliver it.
    """
    if name in _SOURCES:
        return _SOURCES[name]()
    points = list(entry_points(group=ENTRY_POINTS, name=name))
    return _from_package(points[0]) if points else None


def _from_package(point: EntryPoint) -> DataSource:
    """Import and make a source that another package offers."""
    try:
        source = point.load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(
            f"the source '{point.name}' ({point.value}) cannot be loaded ({error}): "
            "mend or remove the package that offers it"
        ) from error
    if not isinstance(source, DataSource):
        raise InputError(
            f"the source '{point.name}' ({point.value}) is no moesaic.data.DataSource: its package "
            "must name a subclass of that"
        )
    return source
