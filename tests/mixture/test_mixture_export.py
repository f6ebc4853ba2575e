"""The exported program: it equals the model, runs without moesaic, and stays sparse."""

import json
import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from moesaic.data import Normaliser
from moesaic.mixture import (
    EXPORTED,
    Deployed,
    Mixture,
    VectorGate,
    build_network,
    export_model,
    load_model,
    save_model,
)
from moesaic.spaces import get_space

SHAPE = (3, 8, 8)
SIZES = (1, 2, 7, 64)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def images(count):
    """Dark and bright ones in turn, so that a gate can tell them apart."""
    source = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 100, (count, *SHAPE), generator=source)
    return (noise + 150 * (torch.arange(count) % 2)[:, None, None, None]).to(torch.uint8)


def save(folder, count):
    space = get_space("nasbench201", widths=(4, 8))
    rng = np.random.default_rng(1)
    experts = [space.sample(rng) for _ in range(count)]
    assert len({expert.key for expert in experts}) == count
    torch.manual_seed(0)
    network = build_network(experts, SHAPE, 4)
    if isinstance(network, Mixture):  # a fresh gate would send everything to one expert
        linear = network.gate.head
        with torch.no_grad():
            network.gate.train()
            network.gate(images(64).float() / 100 - 1.5)
            features = network.gate.eval().layers(images(64).float() / 100 - 1.5).mean(dim=(2, 3))
            step = features[1::2].mean(dim=0) - features[::2].mean(dim=0)
            middle = features.mean(dim=0) @ step
            linear.weight.copy_(torch.stack([-step, step]))
            linear.bias.copy_(torch.stack([middle, -middle]))
    normaliser = Normaliser(torch.full((3, 1, 1), 150.0), torch.full((3, 1, 1), 100.0))
    return save_model(
        folder, network, normaliser, experts=experts, input_shape=SHAPE, classes=list("abcd")
    )


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    return save(folder, 2), folder


@pytest.fixture(scope="module")
def program(mixture):
    return torch.export.load(mixture[1] / EXPORTED)


def test_the_saved_model_is_whole_and_uses_both_experts(mixture):
    model, folder = mixture
    assert {path.name for path in folder.iterdir()} == {
        "model.json",
        "model.safetensors",
        "model.pt2",
    }
    assert model.route(images(10)).argmax(dim=1).tolist() == [0, 1] * 5


@pytest.mark.parametrize("size", SIZES)
def test_the_program_equals_the_model_at_every_batch_size(mixture, program, size):
    with torch.no_grad():
        expected = mixture[0](images(size))
        found = program.module()(images(size))
    assert found.shape == (size, 4)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(load_model(mixture[1])(images(size)), expected, rtol=0, atol=0)


@contextmanager
def kernels():
    """Yield a list that holds, afterwards, how many convolutions really ran."""
    found = []
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        yield found
    names = [event.key for event in profiler.events()]
    found.append(names.count("aten::_convolution"))


def test_the_program_keeps_one_conditional_an_expert(program):
    conditionals = [
        node for node in program.graph.nodes if node.target is torch.ops.higher_order.cond
    ]
    assert len(conditionals) == 2


def test_a_lone_sample_runs_the_gate_and_one_expert(mixture, program):
    model, _ = mixture
    experts, module = model.network.experts, program.module()
    own = []
    for position in (0, 1):
        sample = images(2)[position : position + 1]
        normal = model.normaliser(sample)
        with torch.no_grad():
            with kernels() as seen:
                module(sample)
            with kernels() as gate:
                model.network.gate(normal)
            with kernels() as expert:
                experts[position](normal)
        assert seen[0] == gate[0] + expert[0]
        own.append(expert[0])
    assert own[0] != own[1]
    with kernels() as seen, torch.no_grad():
        module(images(2))
    assert seen[0] == gate[0] + sum(own)


ALONE = """
    import builtins, json, sys
    real = builtins.__import__
    def guard(name, *args, **options):
        if name.split(".")[0] in ("moesaic", "safetensors", "sklearn", "pydantic"):
            raise ImportError("blocked: " + name)
        return real(name, *args, **options)
    builtins.__import__ = guard
    import torch
    torch.set_num_threads(1)
    program = torch.export.load(sys.argv[1]).module()
    inputs = torch.tensor(json.loads(sys.stdin.read()), dtype=torch.uint8)
    answers = [program(inputs[:size]).tolist() for size in (1, 2, 7, 64)]
    assert not any(name.split(".")[0] == "moesaic" for name in sys.modules)
    print(json.dumps(answers))
"""


def test_the_program_runs_where_there_is_only_torch(mixture, tmp_path):
    model, folder = mixture
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ALONE), str(folder / EXPORTED)],
        input=json.dumps(images(64).tolist()),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for size, answer in zip(SIZES, json.loads(done.stdout), strict=True):
        with torch.no_grad():
            expected = model(images(size))
        torch.testing.assert_close(torch.tensor(answer), expected, rtol=1e-5, atol=1e-6)


def test_the_program_asks_for_no_gradients(program):
    # a program that does retraces its branches at every call, hundreds of times slower
    assert not program.module()(images(2)).requires_grad
    assert not any(p.requires_grad for p in program.module().parameters())


def test_exporting_leaves_the_model_as_it_was(tmp_path):
    torch.manual_seed(0)
    mixture = Mixture([nn.Linear(2, 3) for _ in range(2)], VectorGate(2, 2), 3, top_k=2).train()
    normaliser = Normaliser(torch.tensor([1.0, -1.0]), torch.tensor([2.0, 4.0]))
    model = Deployed(normaliser, mixture, {"classes": ["x", "y", "z"], "input_shape": [2]})
    export_model(model, tmp_path / EXPORTED)
    assert mixture.training
    assert all(p.requires_grad for p in mixture.parameters())
    program = torch.export.load(tmp_path / EXPORTED).module()
    for size in SIZES:
        raw = 3 * torch.randn(size, 2)
        torch.testing.assert_close(program(raw), model(raw).detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_single_network_is_exported_too(tmp_path):
    model = save(tmp_path, 1)
    program = torch.export.load(tmp_path / EXPORTED).module()
    for size in SIZES:
        with torch.no_grad():
            expected = model(images(size))
        torch.testing.assert_close(program(images(size)), expected, rtol=1e-5, atol=1e-6)
