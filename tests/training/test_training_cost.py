"""Multiply-accumulates and parameters, against torch's own counter and by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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


@pytest.mark.parametrize("name", MODELS)
def test_layers_agree_with_torchs_counter(name):
    model, shape = MODELS[name]
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *shape))
    assert count_macs(model, shape) == counter.get_total_flops() // 2


@pytest.mark.parametrize("space", ["nasbench201", "sanas"])
def test_networks_agree_with_torchs_counter_on_cpu_and_meta(space):
    cells = get_space(space, widths=(4, 6))
    architecture = cells.sample(np.random.default_rng(0))
    model = cells.build(architecture, (3, 9, 9), 5).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 9, 9))
    assert count_macs(model, (3, 9, 9)) == counter.get_total_flops() // 2
    assert count_macs(model.to("meta"), (3, 9, 9)) == counter.get_total_flops() // 2


def test_a_convolution_by_hand():
    # 4 x 4 outputs, 16 channels, each from (8 / 4) inputs of 3 x 3
    model = nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4)
    assert count_macs(model, (8, 8, 8)) == 4 * 4 * 16 * 2 * 9


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
