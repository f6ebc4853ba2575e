"""Families: published network designs under one name each, at a size for small images."""

from moesaic.spaces.families._plugins import load_plugin
from moesaic.spaces.families._registry import (
    Family,
    family,
    family_names,
    get_family,
    register_family,
)

__all__ = [
    "Family",
    "family",
    "family_names",
    "get_family",
    "load_plugin",
    "register_family",
]
