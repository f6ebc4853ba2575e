"""Search spaces: what may be built."""

from moesaic.spaces._base import Architecture, SearchSpace
from moesaic.spaces._build import build_architecture
from moesaic.spaces._cells import CellSpace
from moesaic.spaces._match import match_macs
from moesaic.spaces._registry import get_space, space_names
from moesaic.spaces._vector_cells import VectorCellSpace

__all__ = [
    "Architecture",
    "CellSpace",
    "SearchSpace",
    "VectorCellSpace",
    "build_architecture",
    "get_space",
    "match_macs",
    "space_names",
]
