"""Families by name: registering one, its metadata, and finding it wherever it comes from."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from torch import nn

from moesaic.errors import InputError, unknown_name
from moesaic.spaces.families import _entry_points

Build = Callable[[tuple[int, ...], int], nn.Module]


@dataclass(frozen=True)
class Family:
    """A published network design at one size.

    Attributes:
        name: what it is asked for by.
        build: maps (C, H, W) and a number of classes to a network (B, C, H, W) -> (B, classes).
        provider: where it comes from: `native`, `pytorchcv`, `timm`, `lemur`, `plugin` or the
            distribution of an entry point.
        min_size: least height and width of an image it takes, in pixels.
        provenance: the publication of its block design, or the provider's own name for it.
    """

    name: str
    build: Build
    provider: str
    min_size: int
    provenance: str


class _Provider(Protocol):
    """A module that offers families of an optional package as `provider/name`."""

    def names(self) -> tuple[str, ...]:
        """Return what may stand behind the provider's name and a slash."""

    def find(self, name: str) -> Family | None:
        """Return the family of that name, None when there is none."""


_HERE = "moesaic.spaces.families"
# Imported when one of their families is asked for: they load optional packages.
_PROVIDERS = {name: f"{_HERE}._{name}" for name in ("pytorchcv", "timm", "lemur")}
_NATIVE = "native"
_REGISTERED: dict[str, Family] = {}
# With more names than this, a message does not list them all.
_LISTED = 40


def family(
    name: str, *, provenance: str, min_size: int = 8, provider: str = "native"
) -> Callable[[Build], Build]:
    """Register the decorated build function as a family (see `register_family`)."""

    def register(build: Build) -> Build:
        register_family(name, build, provider=provider, min_size=min_size, provenance=provenance)
        return build

    return register


def register_family(
    name: str,
    build: Build,
    *,
    provider: str = "plugin",
    min_size: int = 1,
    provenance: str = "",
) -> None:
    """Make a family known under a name.

    Args:
        name: one word, without `+`, `,` or white space, and not in the room of a provider
            (`timm/...`).
        build: maps (C, H, W) and a number of classes to a network.
        provider: where it comes from.
        min_size: least height and width of an image it takes, in pixels.
        provenance: where its design was published.

    Raises:
        InputError: the name is not one word, or another family has it.
    """
    if provider != _NATIVE:
        _load_native()  # so that one of their names is refused here, not when they are loaded
    if not name or any(mark in name for mark in "+,") or name.split() != [name]:
        raise InputError(f"family name {name!r}: expected one word without '+' and ','")
    if name.partition("/")[0] in _PROVIDERS and "/" in name:
        raise InputError(
            f"family name {name!r}: names that begin with {name.partition('/')[0]}/ are those of a "
            "provider, choose another"
        )
    if name in _REGISTERED and _REGISTERED[name].build is not build:
        raise InputError(f"a family named {name!r} is registered already: choose another name")
    _REGISTERED[name] = Family(name, build, provider, min_size, provenance)


@contextmanager
def registering() -> Iterator[Callable[[], tuple[str, ...]]]:
    """Watch registrations: yields a function that returns the new names, in order.

    When the block raises, the names registered in it are forgotten.
    """
    _load_native()
    before = set(_REGISTERED)

    def new() -> tuple[str, ...]:
        return tuple(name for name in _REGISTERED if name not in before)

    try:
        yield new
    except BaseException:
        for name in new():
            del _REGISTERED[name]
        raise


def family_names(provider: str | None = None) -> tuple[str, ...]:
    """Return names of families, in order; of an optional package only when it is the one asked.

    Args:
        provider: None for every registered family and entry point; `native`, `plugin` or the
            distribution of an entry point for those of it; `pytorchcv`, `timm` or `lemur` for
            what the installed package offers, as `provider/name`.

    Raises:
        InputError: nobody provides under that name, or the package is not installed.
    """
    if provider in _PROVIDERS:
        return tuple(sorted(_prefixed(provider)))
    _load_native()
    if provider == _NATIVE:  # asked for every network that is built: no installed package is read
        return tuple(sorted(n for n, found in _REGISTERED.items() if found.provider == _NATIVE))
    by_name = {
        name: _entry_points.provider_of(point) for name, point in _entry_points.offered().items()
    }
    by_name |= {name: found.provider for name, found in _REGISTERED.items()}
    known = {_NATIVE, "plugin", *_PROVIDERS, *by_name.values()}
    if provider is not None and provider not in known:
        raise unknown_name("provider of families", provider, known)
    return tuple(sorted(name for name, its in by_name.items() if provider in (None, its)))


def get_family(name: str) -> Family:
    """Return the family of that name: registered, of a provider, or of an entry point.

    Raises:
        InputError: there is none, and the nearest names are suggested; the package it would come
            from is not installed; or its entry point cannot be loaded.
    """
    _load_native()
    if name in _REGISTERED:
        return _REGISTERED[name]
    prefix, _, rest = name.partition("/")
    if rest and prefix in _PROVIDERS:
        found = _provider(prefix).find(rest)
        if found is None:
            raise _unknown(name, (*_prefixed(prefix), *family_names()))
        return found
    point = _entry_points.offered().get(name)
    if point is None:
        raise _unknown(name, family_names())
    build = cast(Build, _entry_points.load(point))
    if name not in _REGISTERED:  # loading it may have: the function may be decorated
        dist = point.dist
        register_family(
            name,
            build,
            provider=_entry_points.provider_of(point),
            provenance=point.value if dist is None else f"{dist.name} {dist.version}",
        )
    return _REGISTERED[name]


def _load_native() -> None:
    importlib.import_module(f"{_HERE}.{_NATIVE}")


def _provider(name: str) -> _Provider:
    module: Any = importlib.import_module(_PROVIDERS[name])
    return cast(_Provider, module)


def _prefixed(provider: str) -> list[str]:
    return [f"{provider}/{name}" for name in _provider(provider).names()]


def _unknown(name: str, known: Iterable[str]) -> InputError:
    names = sorted(set(known))
    if len(names) > _LISTED and not difflib.get_close_matches(name, names, n=1, cutoff=0.4):
        return InputError(
            f"unknown family {name!r}: none of the {len(names)} that are known is near, "
            "moesaic.spaces.family_names() lists them"
        )
    return unknown_name("family", name, names)
