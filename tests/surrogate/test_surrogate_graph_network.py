"""The graph network reads the graph: it tells operations and their places apart."""

import numpy as np
import pytest
import torch

from moesaic.surrogate._graph_network import GraphNetwork
from moesaic.surrogate._inputs import Inputs


@pytest.fixture(scope="module")
def chains():
    rng = np.random.default_rng(0)
    words = [tuple(rng.choice(list("ab"), 4)) for _ in range(48)]
    graphs = tuple(
        tuple((place, place + 1, str(op)) for place, op in enumerate(word)) for word in words
    )
    target = np.array([[word.count("a"), (word[0] == "a")] for word in words], dtype=float)
    target = (target - target.mean(axis=0)) / target.std(axis=0)
    return Inputs(np.zeros((48, 1)), graphs), target


def test_it_learns_counts_and_places_and_moves_nobody_elses_numbers(chains):
    inputs, target = chains
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    network = GraphNetwork(0)
    network.fit(inputs, target)
    assert torch.equal(torch.rand(1), expected)
    mean, std = network.predict(inputs)
    for column in range(2):
        assert np.corrcoef(mean[:, column], target[:, column])[0, 1] > 0.9
    assert np.all(std > 0)
    again = GraphNetwork(0)
    again.fit(inputs, target)
    assert np.array_equal(again.predict(inputs)[0], mean)
    strange = Inputs(np.zeros((2, 1)), (((0, 1, "never seen"),), ()))
    assert np.all(np.isfinite(network.predict(strange)[0]))
