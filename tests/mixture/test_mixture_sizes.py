"""Experts of different size in one mixture: dispatch, package, expected cost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from moesaic.data import Normaliser, Split
from moesaic.mixture import Mixture, build_network, load_model, save_model
from moesaic.runs._context import Context
from moesaic.runs._routing import route_split
from moesaic.spaces import Architecture, get_space
from moesaic.training import count_macs

SHAPE, CLASSES = (1, 8, 8), 3


@pytest.fixture
def experts() -> list[Architecture]:
    space = get_space("nasbench201", widths=(4, 6))
    cell = space.parse("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|")
    deep = space.repeat(cell, 2)
    return [space.resize(cell, (2, 3)), space.resize(deep, (6, 9))]


@pytest.fixture
def mixture(experts: list[Architecture]) -> Mixture:
    torch.manual_seed(0)
    made = build_network(experts, SHAPE, CLASSES)
    assert isinstance(made, Mixture)
    return made.eval()


def images(count: int = 24) -> torch.Tensor:
    return torch.randint(0, 256, (count, *SHAPE), generator=torch.Generator().manual_seed(1))


def test_every_sample_gets_the_logits_of_its_own_expert(mixture: Mixture) -> None:
    inputs = images().float() / 255
    chosen = torch.arange(len(inputs)) % 2
    weights = torch.nn.functional.one_hot(chosen, 2).float()
    with torch.no_grad():
        logits = mixture.dispatch(inputs, weights)
        alone = torch.stack([expert(inputs) for expert in mixture.experts])
    assert torch.allclose(logits, alone[chosen, torch.arange(len(inputs))], atol=1e-5)


def test_expected_cost_weighs_every_expert_by_its_use(mixture: Mixture) -> None:
    split = Split(images().to(torch.uint8), torch.zeros(24, dtype=torch.int64), None)
    fake = SimpleNamespace(
        normaliser=Normaliser.fit(split), dataset=SimpleNamespace(input_shape=SHAPE)
    )
    context = cast(Context, fake)
    given = np.array([0] * 18 + [1] * 6)
    small, large = (count_macs(expert, SHAPE) for expert in mixture.experts)
    assert large > 4 * small
    told = route_split(context, mixture, split, given)
    assert told.expert_macs.tolist() == [small, large]
    assert told.macs == round(0.75 * small + 0.25 * large)
    free = route_split(context, mixture, split)
    gate = count_macs(mixture.gate, SHAPE)
    assert free.macs == round(float(free.usage @ [small, large])) + gate
    assert free.macs_dense == small + large + gate


def test_the_package_keeps_every_expert_at_its_size(
    mixture: Mixture, experts: list[Architecture], tmp_path: Path
) -> None:
    inputs = images().to(torch.uint8)
    normaliser = Normaliser.fit(Split(inputs, torch.zeros(24, dtype=torch.int64), None))
    saved: Any = save_model(
        tmp_path, mixture, normaliser, experts=experts, input_shape=SHAPE, classes=["a", "b", "c"]
    )
    read: Any = load_model(tmp_path)
    program = torch.export.load(tmp_path / "model.pt2").module()
    with torch.no_grad():
        expected = saved(inputs)
        assert torch.equal(read(inputs), expected)
        assert torch.allclose(program(inputs), expected, atol=1e-5)
    sizes = [sum(p.numel() for p in expert.parameters()) for expert in read.network.experts]
    assert sizes[1] > 3 * sizes[0]
