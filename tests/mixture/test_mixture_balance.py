"""Balance losses: equations against NumPy, no dependence on the batch size, and who learns."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.mixture import importance_loss, switch_loss, z_loss
from moesaic.mixture._balance import BALANCES

NAMES = sorted(BALANCES)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def reference(name, logits):
    """Over sums and counts, as the papers write them."""
    batch, experts = logits.shape
    shares = softmax(logits)
    if name == "switch":
        counts = [sum(1 for row in logits if row.argmax() == k) for k in range(experts)]
        return experts * sum(counts[k] / batch * shares[:, k].sum() / batch for k in range(experts))
    if name == "importance":
        importance = shares.sum(axis=0)
        return (importance.std() / importance.mean()) ** 2
    return sum(math.log(np.exp(row).sum()) ** 2 for row in logits) / batch


@settings(deadline=None)
@given(
    name=st.sampled_from(NAMES),
    batch=st.integers(1, 12),
    experts=st.integers(2, 6),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
    seed=st.integers(0, 99),
)
def test_the_value_is_that_of_the_equation_at_any_batch_size(name, batch, experts, scale, seed):
    logits = scale * torch.randn(batch, experts, generator=torch.Generator().manual_seed(seed))
    found = float(BALANCES[name](logits))
    assert found == pytest.approx(reference(name, logits.double().numpy()), rel=1e-4, abs=1e-5)
    for times in (2, 8):
        assert float(BALANCES[name](logits.repeat(times, 1))) == pytest.approx(
            found, rel=1e-5, abs=1e-6
        )


def test_the_scale_of_the_values_is_known():
    even, one = 50 * torch.eye(4), torch.zeros(4, 4)
    one[:, 2] = 50
    assert float(switch_loss(even)) == pytest.approx(1)
    assert float(switch_loss(one)) == pytest.approx(4)
    assert float(importance_loss(even)) == pytest.approx(0, abs=1e-6)
    assert float(importance_loss(one)) == pytest.approx(3)
    assert float(z_loss(torch.zeros(5, 4))) == pytest.approx(math.log(4) ** 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_reaches_every_parameter_of_the_gate_and_is_right(name):
    torch.manual_seed(0)
    gate = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()
    inputs = torch.randn(7, 3).double()
    BALANCES[name](gate(inputs)).backward()
    for parameter in gate.parameters():
        assert float(parameter.grad.abs().max()) > 0
        # against central differences; no first choice changes over so small a step
        place = parameter.grad.abs().flatten().argmax()
        flat, values = parameter.detach().view(-1), []
        for step in (1e-6, -1e-6):
            flat[place] += step
            values.append(BALANCES[name](gate(inputs)).item())
            flat[place] -= step
        slope = (values[0] - values[1]) / 2e-6
        assert float(parameter.grad.flatten()[place]) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("name", ["switch", "importance"])
def test_following_the_gradient_spreads_the_samples(name):
    torch.manual_seed(0)
    inputs = torch.randn(200, 3)
    gate = nn.Linear(3, 4)
    with torch.no_grad():
        gate.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    optimiser = torch.optim.SGD(gate.parameters(), lr=1.5)
    for _ in range(100):
        optimiser.zero_grad()
        BALANCES[name](gate(inputs)).backward()
        optimiser.step()
    mean = gate(inputs).softmax(dim=1).mean(dim=0)
    assert mean.max().item() < 0.3
