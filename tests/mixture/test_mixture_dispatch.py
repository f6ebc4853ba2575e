"""The mixture against a dense sum: its weights, who runs on what, and what that costs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.errors import InputError
from moesaic.mixture import ConvGate, Mixture, VectorGate, build_gate, sparse_weights
from moesaic.training import count_macs

CLASSES = 3


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


class Given(nn.Module):
    """A gate whose logits are the last K features of its inputs."""

    def __init__(self, experts):
        super().__init__()
        self.experts = experts

    def forward(self, inputs):
        return inputs[:, -self.experts :]


class Counter(nn.Module):
    """An expert that writes down how many samples it was shown."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.shown = []

    def forward(self, inputs):
        self.shown.append(inputs.shape[0])
        return self.network(inputs)


def mixture_of(experts, top_k=1, features=5, gate=None):
    torch.manual_seed(experts)
    networks = [Counter(nn.Linear(features, CLASSES)) for _ in range(experts)]
    return Mixture(networks, gate or Given(experts), CLASSES, top_k)


def steer(rows, experts, features=5):
    """Return inputs whose last features name the expert of every row."""
    inputs = torch.randn(len(rows), features, generator=torch.Generator().manual_seed(0))
    inputs[:, -experts:] = 4.0 * nn.functional.one_hot(torch.tensor(rows), experts)
    return inputs


@settings(max_examples=60, deadline=None)
@given(data=st.data(), batch=st.integers(0, 9), experts=st.integers(1, 5), seed=st.integers(0, 99))
def test_sparse_top_k_equals_the_dense_sum_over_the_chosen(data, batch, experts, seed):
    top_k = data.draw(st.integers(1, experts))
    mixture = mixture_of(experts, top_k, features=6)
    inputs = torch.randn(batch, 6, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        output, weights = mixture(inputs), mixture.route(inputs)
    assert output.shape == (batch, CLASSES)
    assert weights.shape == (batch, experts)
    gate = inputs[:, -experts:].double().numpy()
    for row in range(batch):
        chosen = sorted(range(experts), key=lambda k, row=row: -gate[row, k])[:top_k]
        powers = {k: np.exp(gate[row, k]) for k in chosen}
        expected = np.zeros(CLASSES)
        for k in range(experts):
            weight = powers.get(k, 0.0) / sum(powers.values())
            assert float(weights[row, k]) == pytest.approx(weight, abs=1e-6)
            layer = mixture.experts[k].network
            logits = (
                layer.weight.detach().numpy() @ inputs[row].numpy() + layer.bias.detach().numpy()
            )
            expected += weight * logits
        assert output[row].numpy() == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(data=st.data(), experts=st.integers(1, 8))
def test_weights_are_shares_of_exactly_k_experts(data, experts):
    top_k = data.draw(st.integers(1, experts))
    numbers = st.lists(st.floats(-30, 30, width=32), min_size=experts, max_size=experts)
    logits = torch.tensor(data.draw(st.lists(numbers, min_size=1, max_size=6)))
    weights = sparse_weights(logits, top_k)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(logits)))
    assert ((weights > 0).sum(dim=1) == top_k).all()
    # nobody left out had a larger logit than somebody chosen
    least = logits.masked_fill(weights == 0, np.inf).min(dim=1).values
    most = logits.masked_fill(weights > 0, -np.inf).max(dim=1).values
    assert (most <= least).all()


def test_all_experts_at_once_are_the_whole_softmax():
    mixture = mixture_of(3)
    inputs = torch.randn(4, 5)
    weights = inputs[:, -3:].softmax(dim=1)
    expected = sum(weights[:, [k]] * mixture.experts[k](inputs) for k in range(3))
    torch.testing.assert_close(mixture.forward_all(inputs), expected)


@pytest.mark.parametrize("top_k", [0, 4])
def test_top_k_outside_the_experts_is_refused(top_k):
    with pytest.raises(InputError, match=f"top_k is {top_k}, expected 1 to 3"):
        mixture_of(3, top_k)


def test_an_expert_runs_on_its_own_samples_and_an_idle_one_not_at_all():
    mixture = mixture_of(3).eval()
    mixture(steer([0, 2, 2, 0, 2], 3))
    assert [expert.shown for expert in mixture.experts] == [[2], [], [3]]
    mixture(steer([1], 3))
    assert [expert.shown for expert in mixture.experts] == [[2], [1], [3]]


def test_top_two_runs_twice_the_samples():
    mixture = mixture_of(3, top_k=2).eval()
    inputs = torch.randn(8, 5)
    mixture(inputs)
    assert sum(sum(expert.shown) for expert in mixture.experts) == 16
    ranks = inputs[:, -3:].argsort(dim=1, descending=True)[:, :2]
    assert [sum(e.shown) for e in mixture.experts] == ranks.flatten().bincount(minlength=3).tolist()


def test_the_cost_counted_is_that_of_the_gate_and_the_chosen_expert():
    class Fixed(nn.Module):
        def __init__(self, best):
            super().__init__()
            self.best = best
            self.work = nn.Linear(7, 3)

        def forward(self, inputs):
            chosen = torch.full((inputs.shape[0],), self.best)
            return nn.functional.one_hot(chosen, 3) + 0 * self.work(inputs)

    experts = [nn.Linear(7, CLASSES), nn.Sequential(nn.Linear(7, 50), nn.Linear(50, CLASSES))]
    experts.append(nn.Sequential(nn.Linear(7, 9), nn.Linear(9, CLASSES)))
    costs = [7 * 3, 7 * 50 + 50 * 3, 7 * 9 + 9 * 3]
    for best in range(3):
        assert count_macs(Mixture(experts, Fixed(best), CLASSES), (7,)) == 7 * 3 + costs[best]
    second = count_macs(Mixture(experts, Fixed(1), CLASSES, top_k=3), (7,))
    assert second == 7 * 3 + sum(costs)


def normalised_expert():
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, CLASSES))


def test_a_lone_sample_can_train_an_expert_with_batch_normalisation():
    torch.manual_seed(0)
    mixture = Mixture([normalised_expert() for _ in range(2)], Given(2), CLASSES).train()
    inputs = steer([0, 0, 1, 0], 2)
    output = mixture(inputs)
    assert output.shape == (4, CLASSES)
    output.square().sum().backward()
    for expert in mixture.experts:
        assert all(torch.isfinite(p.grad).all() for p in expert.parameters())
    assert mixture(steer([1], 2)).shape == (1, CLASSES)


def test_an_idle_expert_keeps_its_weights_and_its_statistics():
    torch.manual_seed(0)
    mixture = Mixture([normalised_expert() for _ in range(2)], Given(2), CLASSES).train()
    before = {name: tensor.clone() for name, tensor in mixture.experts[1].state_dict().items()}
    optimiser = torch.optim.AdamW(mixture.parameters(), lr=0.1, weight_decay=0.5)
    mixture(steer([0, 0, 0], 2)).square().sum().backward()
    optimiser.step()
    after = mixture.experts[1].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_broken_gate_is_not_hidden():
    mixture = mixture_of(2).eval()
    inputs = steer([0, 1], 2)
    inputs[1, -1] = np.nan
    output = mixture(inputs)
    assert torch.isfinite(output[0]).all()
    assert torch.isnan(output[1]).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 13, 16, 33])
@pytest.mark.parametrize("experts", [2, 5])
def test_gates_take_images_of_any_size(channels, size, experts):
    gate = build_gate((channels, size, size), experts)
    assert isinstance(gate, ConvGate)
    images = torch.randn(4, channels, size, size)
    assert gate(images).shape == (4, experts)
    assert gate.eval()(images[:1]).shape == (1, experts)
    assert gate(images[:0]).shape == (0, experts)


@pytest.mark.parametrize("features", [1, 2, 40])
def test_gates_take_vectors(features):
    gate = build_gate((features,), 3)
    assert isinstance(gate, VectorGate)
    assert gate(torch.randn(1, features)).shape == (1, 3)
