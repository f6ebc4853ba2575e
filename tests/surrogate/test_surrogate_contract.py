"""Every built-in surrogate keeps the contract shipped for third parties."""

import pytest

from moesaic.surrogate import get_surrogate
from moesaic.testing import SurrogateContract


class TestBlend(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("blend", space, seed)


class TestRidge(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("ridge", space, seed)


class TestTrees(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("trees", space, seed)


class TestGaussianProcess(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("gaussian_process", space, seed)


class TestGraphProcess(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("graph_process", space, seed)


@pytest.mark.slow
class TestBoosting(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("boosting", space, seed)


@pytest.mark.slow
class TestGraphNetwork(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("graph_network", space, seed)
