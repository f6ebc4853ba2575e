"""Every built-in surrogate keeps the contract shipped for third parties."""

from moesaic.surrogate import get_surrogate
from moesaic.testing import SurrogateContract


class TestChosen(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("chosen", space, seed)


class TestRidge(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("ridge", space, seed)


class TestTrees(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("trees", space, seed)


class TestGaussianProcess(SurrogateContract):
    def make_surrogate(self, space, seed):
        return get_surrogate("gaussian_process", space, seed)
