"""Families: published network designs under one name each, at a size for small images."""

from moesaic.spaces.families._plugins import load_plugin
from moesaic.spaces.families._pools import LEMUR29, read_pool
from moesaic.spaces.families._registry import (
    Family,
    family,
    family_names,
    get_family,
    register_family,
)
from moesaic.spaces.families._space import FamilySpace, family_architecture

__all__ = [
    "LEMUR29",
    "Family",
    "FamilySpace",
    "family",
    "family_architecture",
    "family_names",
    "get_family",
    "load_plugin",
    "read_pool",
    "register_family",
]
