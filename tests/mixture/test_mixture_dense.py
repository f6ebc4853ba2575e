"""How many samples each expert sees, dense and sparse: seen by forward hooks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.mixture import Mixture, build_network, sparse_weights
from moesaic.spaces import get_space

SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def watch(mixture):
    """Return the list of how many samples every expert saw, filled by forward hooks."""
    shown = [0] * len(mixture.experts)

    def hook(position):
        def count(_module, given, _output):
            shown[position] += given[0].shape[0]

        return count

    for position, expert in enumerate(mixture.experts):
        expert.register_forward_hook(hook(position))
    return shown


def cells(top_k, gate):
    space = get_space("nasbench201", widths=(4, 8))
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    network = build_network([space.sample(rng) for _ in range(3)], SHAPE, 4, top_k=top_k, gate=gate)
    with torch.no_grad():  # statistics of its inputs, so that the gate is not of one mind
        network.gate.train()
        for _ in range(30):
            network.gate(torch.randn(16, *SHAPE))
        last = network.gate.head if gate == "default" else network.gate.head[-1]
        last.weight.mul_(50)
        network.eval()
        last.bias.sub_(network.gate(torch.randn(64, *SHAPE)).mean(dim=0))
    return network


@pytest.mark.parametrize("gate", ["default", "moe4"])
@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_every_expert_sees_the_samples_that_chose_it(top_k, gate):
    mixture = cells(top_k, gate)
    shown = watch(mixture)
    inputs = torch.randn(40, *SHAPE)
    with torch.no_grad():
        chosen = mixture.gate(inputs).topk(top_k, dim=1).indices
        mixture(inputs)
    assert shown == chosen.flatten().bincount(minlength=3).tolist()
    assert sum(shown) == 40 * top_k
    if top_k == 3:
        assert shown == [40, 40, 40]


class Given(nn.Module):
    def forward(self, inputs):
        return inputs[:, :3]


def test_a_dense_mixture_runs_an_expert_whose_weight_underflows():
    torch.manual_seed(0)
    mixture = Mixture([nn.Linear(4, 2) for _ in range(3)], Given(), 2, top_k=3)
    shown = watch(mixture)
    inputs = torch.tensor([[500.0, 0.0, 0.0, 1.0]] * 5)
    assert mixture.route(inputs)[:, 1].tolist() == [0.0] * 5
    output = mixture(inputs)
    assert shown == [5, 5, 5]
    torch.testing.assert_close(output, mixture.experts[0](inputs))


@settings(deadline=None)
@given(batch=st.integers(0, 9), seed=st.integers(0, 99))
def test_dense_is_the_sum_over_all_in_both_ways_of_adding_it_up(batch, seed):
    torch.manual_seed(seed)
    mixture = Mixture([nn.Linear(4, 2) for _ in range(3)], Given(), 2, top_k=3)
    inputs = torch.randn(batch, 4)
    weights = sparse_weights(mixture.gate(inputs), 3)
    torch.testing.assert_close(mixture(inputs), mixture.combine(inputs, weights))
    torch.testing.assert_close(mixture(inputs), mixture.forward_all(inputs))


def test_a_lone_sample_can_train_a_dense_mixture_with_batch_normalisation():
    torch.manual_seed(0)
    experts = [nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)) for _ in range(3)]
    mixture = Mixture(experts, Given(), 2, top_k=3).train()
    output = mixture(torch.randn(1, 4))
    assert output.shape == (1, 2)
    output.sum().backward()


def test_a_broken_gate_is_not_hidden_by_a_dense_mixture():
    torch.manual_seed(0)
    mixture = Mixture([nn.Linear(4, 2) for _ in range(3)], Given(), 2, top_k=3)
    inputs = torch.randn(2, 4)
    inputs[1, 0] = np.nan
    output = mixture(inputs)
    assert torch.isfinite(output[0]).all()
    assert torch.isnan(output[1]).all()
