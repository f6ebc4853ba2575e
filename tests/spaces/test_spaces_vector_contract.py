"""The shipped contract, kept by `vector_cells` under its options, also for D above the width."""

import pytest

from moesaic.spaces import SearchSpace, get_space
from moesaic.testing import SearchSpaceContract

OPTIONS = {
    "default": ({}, (2,)),
    "narrow": ({"widths": (4,)}, (30,)),
    "two stages": ({"vertices": 5, "widths": (6, 4), "cells_per_stage": 2}, (7,)),
    "two inputs": ({"wiring": "two_inputs", "widths": (5,)}, (5,)),
    "smallest": ({"vertices": 2, "widths": (3, 1, 7)}, (1,)),
}


class TestVectorCells(SearchSpaceContract):
    draws = 6

    @pytest.fixture(autouse=True, params=OPTIONS, ids=str)
    def _choose(self, request):
        self.options, self.input_shape = OPTIONS[request.param]

    def make_space(self) -> SearchSpace:
        return get_space("vector_cells", **self.options)
