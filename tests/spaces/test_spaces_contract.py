"""The shipped contract, kept by every built-in space and by option combinations of `cells`."""

import pytest

from moesaic.spaces import SearchSpace, get_space
from moesaic.testing import SearchSpaceContract

OPTIONS = {
    "nasbench201": ("nasbench201", {"widths": (4, 6)}),
    "sanas": ("sanas", {"widths": (4, 6)}),
    "cells": ("cells", {"vertices": 5, "widths": (4, 8), "cells_per_stage": 2}),
    "two inputs": ("cells", {"vertices": 4, "wiring": "two_inputs", "widths": (4,)}),
    "smallest": ("cells", {"vertices": 2, "widths": (3, 5, 7)}),
}


class TestBuiltInSpaces(SearchSpaceContract):
    draws = 4

    @pytest.fixture(autouse=True, params=OPTIONS, ids=str)
    def _choose(self, request):
        self.chosen = OPTIONS[request.param]

    def make_space(self) -> SearchSpace:
        name, options = self.chosen
        return get_space(name, **options)
