"""Search spaces: what may be built."""

from moesaic.spaces._base import Architecture, SearchSpace
from moesaic.spaces._build import build_architecture
from moesaic.spaces._cell_base import CellSpaceBase
from moesaic.spaces._cells import CellSpace
from moesaic.spaces._listed import ListedSpace
from moesaic.spaces._match import match_macs
from moesaic.spaces._registry import get_space, space_names
from moesaic.spaces._sizes import STRIDE_CHOICES, WIDTH_CHOICES, SizedSpace
from moesaic.spaces._vector_cells import VectorCellSpace
from moesaic.spaces.families import (
    Family,
    family,
    family_names,
    get_family,
    load_plugin,
    register_family,
)

__all__ = [
    "STRIDE_CHOICES",
    "WIDTH_CHOICES",
    "Architecture",
    "CellSpace",
    "CellSpaceBase",
    "Family",
    "ListedSpace",
    "SearchSpace",
    "SizedSpace",
    "VectorCellSpace",
    "build_architecture",
    "family",
    "family_names",
    "get_family",
    "get_space",
    "load_plugin",
    "match_macs",
    "register_family",
    "space_names",
]
