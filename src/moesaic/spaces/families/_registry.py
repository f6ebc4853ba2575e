"""Families by name: the decorator that registers one, its metadata, and looking it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from moesaic.errors import InputError, unknown_name

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


_REGISTERED: dict[str, Family] = {}


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
        name: one word, without `+`, `,` or white space.
        build: maps (C, H, W) and a number of classes to a network.
        provider: where it comes from.
        min_size: least height and width of an image it takes, in pixels.
        provenance: where its design was published.

    Raises:
        InputError: the name is not one word, or another family has it.
    """
    if not name or any(mark in name for mark in "+,") or name.split() != [name]:
        raise InputError(f"family name {name!r}: expected one word without '+' and ','")
    if name in _REGISTERED and _REGISTERED[name].build is not build:
        raise InputError(f"a family named {name!r} is registered already: choose another name")
    _REGISTERED[name] = Family(name, build, provider, min_size, provenance)


def family_names(provider: str | None = None) -> tuple[str, ...]:
    """Return the names that are registered, in order; those of one provider where it is given."""
    return tuple(
        sorted(
            name
            for name, found in _REGISTERED.items()
            if provider is None or found.provider == provider
        )
    )


def get_family(name: str) -> Family:
    """Return the family of that name.

    Raises:
        InputError: nobody registered it; the nearest names are suggested.
    """
    if name not in _REGISTERED:
        raise unknown_name("family", name, _REGISTERED)
    return _REGISTERED[name]
