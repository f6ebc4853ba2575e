"""Multiply-accumulates and parameters, against the shapes of the layers and by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from moesaic.spaces import get_space
from moesaic.training._cost import count_macs, count_parameters

MODELS = {
    "grouped": (nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4), (8, 9, 7)),
    "depthwise": (nn.Conv2d(6, 6, 5, padding=2, groups=6), (6, 8, 8)),
    "dilated": (nn.Conv2d(3, 5, 3, dilation=2), (3, 12, 12)),
    "one dimension": (nn.Conv1d(4, 8, 3, groups=2), (4, 20)),
    "linear": (nn.Linear(12, 7), (12,)),
    "linear over a sequence": (nn.Linear(12, 7), (5, 12)),
}


def sum_over_layers(model, shape):
    """Return what the layers cost that run on a sample: outputs times the weights of one each."""
    total = 0

    def add(module, _inputs, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    layers = (nn.Linear, nn.Conv1d, nn.Conv2d)
    handles = [
        module.register_forward_hook(add)
        for module in model.modules()
        if isinstance(module, layers)
    ]
    model.eval()(torch.zeros(1, *shape))
    for handle in handles:
        handle.remove()
    return total


@pytest.mark.parametrize("name", MODELS)
def test_a_layer_costs_its_outputs_times_the_weights_of_one(name):
    model, shape = MODELS[name]
    assert count_macs(model, shape) == sum_over_layers(model, shape) > 0


@pytest.mark.parametrize("space", ["nasbench201", "sanas"])
def test_a_network_costs_the_sum_of_its_layers_on_cpu_and_meta(space):
    cells = get_space(space, widths=(4, 6))
    architecture = cells.sample(np.random.default_rng(0))
    model = cells.build(architecture, (3, 9, 9), 5)
    expected = sum_over_layers(model, (3, 9, 9))
    assert count_macs(model, (3, 9, 9)) == expected > 0
    assert count_macs(model.to("meta"), (3, 9, 9)) == expected


def test_a_convolution_by_hand():
    # 4 x 4 outputs, 16 channels, each from (8 / 4) inputs of 3 x 3
    model = nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4)
    assert count_macs(model, (8, 8, 8)) == 4 * 4 * 16 * 2 * 9


class Attention(nn.Module):
    """Attention of `tokens` queries to `keys` constant keys, without weights of its own."""

    def __init__(self, keys, value_width, masked=False):
        super().__init__()
        self.register_buffer("key", torch.zeros(1, 2, keys, 8))
        self.register_buffer("value", torch.zeros(1, 2, keys, value_width))
        self.masked = masked

    def forward(self, x):
        query = x.unflatten(2, (2, 8)).transpose(1, 2)
        mask = torch.ones(x.shape[1], self.key.shape[2]).tril() > 0 if self.masked else None
        attend = nn.functional.scaled_dot_product_attention
        return attend(query, self.key, self.value, attn_mask=mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("value_width", [8, 12])
def test_attention_by_hand(value_width, masked):
    # 2 heads; 5 queries meet 7 keys over 8 numbers, and gather their values
    model = Attention(7, value_width, masked)
    assert count_macs(model, (5, 16)) == 2 * 5 * 7 * 8 + 2 * 5 * 7 * value_width


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_torchs_own_transformer_by_hand(device):
    # maps to queries, keys, values and back, two products of 10 x 10 pairs, a perceptron
    one = 4 * 10 * 16 * 16 + 2 * 10 * 10 * 16 + 2 * 10 * 16 * 24
    with torch.device(device):
        layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
        model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    assert count_macs(model, (10, 16)) == 3 * one
    assert torch.backends.mha.get_fastpath_enabled()


def test_attention_written_out_by_hand_counts_as_the_fused_one():
    class WrittenOut(nn.Module):
        def forward(self, x):
            return (x @ x.transpose(1, 2)).softmax(-1) @ x

    class Fused(nn.Module):
        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(x, x, x)

    assert count_macs(WrittenOut(), (6, 4)) == count_macs(Fused(), (6, 4)) == 2 * 6 * 6 * 4


def test_a_shared_layer_counts_at_every_call_and_its_parameters_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 6, bias=False)
            self.idle = nn.Linear(6, 6)

        def forward(self, x):
            return self.layer(self.layer(x))

    model = Twice()
    model.idle.bias.requires_grad_(False)
    assert count_macs(model, (6,)) == 2 * 36
    assert count_parameters(model) == 36 + 36


def test_flags_buffers_hooks_and_random_state_are_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    model.train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    count_macs(model, (3, 8, 8))
    assert model.training
    assert model[2].training
    assert not model[1].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model[0]._forward_hooks
    assert torch.equal(state, torch.get_rng_state())


def test_a_failing_forward_leaves_no_hook_behind():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)).train()
    with pytest.raises(RuntimeError):
        count_macs(model, (3,))
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())


def test_a_model_without_parameters_costs_nothing():
    assert count_macs(nn.Flatten(), (3, 4, 4)) == 0
    assert count_parameters(nn.Flatten()) == 0
