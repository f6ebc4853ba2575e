"""Every built-in strategy keeps the contract shipped for third parties."""

import numpy as np
import pytest

from moesaic.errors import InputError
from moesaic.strategies import get_strategy, strategy_names
from moesaic.testing import StrategyContract, ToySpace


class TestRandom(StrategyContract):
    def make_strategy(self, space, experts, weight, seed):
        return get_strategy("random", space, experts, weight, seed)


class TestEvolution(StrategyContract):
    def make_strategy(self, space, experts, weight, seed):
        return get_strategy("evolution", space, experts, weight, seed, population=10)


class TestDecomposed(StrategyContract):
    def make_strategy(self, space, experts, weight, seed):
        return get_strategy(
            "decomposed", space, experts, weight, seed, surrogate="gaussian_process", pool=64
        )


class TestJoint(StrategyContract):
    def make_strategy(self, space, experts, weight, seed):
        return get_strategy("joint", space, experts, weight, seed, surrogate="ridge", pool=64)


def test_names():
    assert {"decomposed", "evolution", "joint", "random"} <= set(strategy_names())
    with pytest.raises(InputError, match="did you mean joint"):
        get_strategy("joynt", ToySpace(), 2, np.ones(4))


@pytest.mark.parametrize(
    ("experts", "weight"), [(0, [1, 1]), (3, [1, 1]), (1, [0, 0]), (1, [-1, 2])]
)
def test_bad_sizes_are_refused(experts, weight):
    with pytest.raises(InputError):
        get_strategy("random", ToySpace(), experts, weight)


def test_loss_vectors_of_another_length_are_refused():
    from moesaic.testing._strategies import observe

    space = ToySpace(clusters=3)
    strategy = get_strategy("random", space, 2, np.ones(4))
    with pytest.raises(InputError, match="4 expected"):
        strategy.tell([observe(space, strategy.ask(1)[0], 0)])
