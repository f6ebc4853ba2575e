"""Models with the gate of moe4: saved, read, exported; models from before there was a choice."""

import json

import numpy as np
import pytest
import torch

from moesaic.config import Moe4
from moesaic.data import Normaliser
from moesaic.errors import InputError
from moesaic.mixture import (
    EXPORTED,
    Moe4Gate,
    build_gate,
    build_network,
    load_model,
    save_model,
)
from moesaic.spaces import get_space
from moesaic.training import count_macs

SHAPE = (3, 8, 8)
MOE4 = Moe4(gate_widths=(6, 8, 5), temperature=1.0, temperature_range=(0.25, 3.0), noise=0.5)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def quick(monkeypatch):
    """Skip the export, which takes seconds and is tested below."""
    monkeypatch.setattr("moesaic.mixture._package.export_model", lambda model, path: None)


def images(count):
    source = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *SHAPE), generator=source).to(torch.uint8)


def save(folder, top_k, gate="moe4", moe4=MOE4, count=3):
    space = get_space("nasbench201", widths=(4,))
    rng = np.random.default_rng(2)
    experts = [space.sample(rng) for _ in range(count)]
    torch.manual_seed(0)
    network = build_network(experts, SHAPE, 4, top_k=top_k, gate=gate, moe4=moe4)
    normaliser = Normaliser(torch.full((3, 1, 1), 120.0), torch.full((3, 1, 1), 60.0))
    network.train()
    with torch.no_grad():
        for _ in range(40):  # statistics that are no longer those of a new network
            network(normaliser(images(24)))
        last = network.gate.head[-1] if gate == "moe4" else network.gate.head
        last.weight.mul_(30)  # a gate that is of several minds
        last.bias.sub_(network.eval().gate(normaliser(images(24))).mean(dim=0))
        if gate == "moe4":
            network.gate.raw_temperature.fill_(0.4)
    names = ["a", "b", "c", "d"]
    return save_model(
        folder,
        network,
        normaliser,
        experts=experts,
        input_shape=SHAPE,
        classes=names,
        top_k=top_k,
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_a_model_with_the_gate_of_moe4_is_read_bit_for_bit(tmp_path, top_k):
    saved = save(tmp_path, top_k)
    read = load_model(tmp_path)
    assert isinstance(read.network.gate, Moe4Gate)
    assert read.network.gate.settings == MOE4
    assert float(read.network.gate.temperature) == float(saved.network.gate.temperature)
    with torch.no_grad():
        assert torch.equal(read(images(30)), saved(images(30)))
        assert torch.equal(read(images(30)), read(images(30)))  # no noise
        weights = read.route(images(30))
    assert ((weights > 0).sum(dim=1) == top_k).all()
    assert len(set(weights.argmax(dim=1).tolist())) > 1


@pytest.mark.usefixtures("quick")
def test_a_model_from_before_there_was_a_choice_of_gates_is_read(tmp_path):
    saved = save(tmp_path, 1, gate="default")
    path = tmp_path / "model.json"
    info = json.loads(path.read_text())
    assert info.pop("gate") == "default"
    assert "moe4" not in info
    path.write_text(json.dumps(info))
    with torch.no_grad():
        assert torch.equal(load_model(tmp_path)(images(9)), saved(images(9)))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gate", "default"),
        ("gate", "moe5"),
        ("gate", None),
        ("moe4", {"gate_widths": [1, 1, 1]}),
        ("moe4", {"nothing": 1}),
        ("moe4", {"temperature": 9.0}),
        ("moe4", None),
        ("moe4", [1]),
    ],
)
def test_a_changed_gate_is_one_clear_line(tmp_path, name, value):
    save(tmp_path, 1)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(InputError, match=r"the model in .* is damaged") as raised:
        load_model(tmp_path)
    assert "\n" not in str(raised.value)


def test_an_unknown_gate_is_answered_with_the_near_ones():
    space = get_space("nasbench201", widths=(4,))
    experts = [space.sample(np.random.default_rng(0))] * 2
    with pytest.raises(InputError, match="unknown gate 'moe': did you mean moe4"):
        build_network(experts, SHAPE, 4, gate="moe")


@pytest.mark.parametrize(
    ("top_k", "gate"),
    [
        (3, "moe4"),
        (1, "moe4"),
        pytest.param(2, "moe4", marks=pytest.mark.slow),
        pytest.param(3, "default", marks=pytest.mark.slow),
    ],
)
def test_the_program_equals_the_model_at_every_batch_size(tmp_path, top_k, gate):
    model = save(tmp_path, top_k, gate)
    program = torch.export.load(tmp_path / EXPORTED).module()
    for size in (1, 2, 7, 64):
        with torch.no_grad():
            expected, found = model(images(size)), program(images(size))
        assert found.shape == (size, 4)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_dense_program_has_no_conditionals(tmp_path):
    save(tmp_path, 2, count=2)
    program = torch.export.load(tmp_path / EXPORTED)
    targets = [node.target for node in program.graph.nodes]
    assert torch.ops.higher_order.cond not in targets


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("shape", [SHAPE, (5,)])
def test_a_gate_of_another_size_is_read_as_it_was(tmp_path, shape):
    space = get_space("nasbench201", widths=(4,)) if len(shape) == 3 else get_space("vector_cells")
    experts = [space.sample(np.random.default_rng(2)) for _ in range(2)]
    network = build_network(experts, shape, 4, gate_size=0.5)
    whole = build_network(experts, shape, 4)
    assert count_macs(network.gate, shape) < 0.5 * count_macs(whole.gate, shape)
    wide = (3, 1, 1) if len(shape) == 3 else shape
    normaliser = Normaliser(torch.zeros(wide), torch.ones(wide))
    saved = save_model(
        tmp_path, network, normaliser, experts=experts, input_shape=shape, classes=list("abcd")
    )
    assert saved.info["gate_size"] == 0.5
    read = load_model(tmp_path)
    inputs = images(6) if len(shape) == 3 else torch.randn(6, *shape)
    assert torch.equal(read.route(inputs), saved.route(inputs))
    plain = save_model(
        tmp_path, whole, normaliser, experts=experts, input_shape=shape, classes=list("abcd")
    )
    assert "gate_size" not in plain.info


def test_the_smallest_gate_still_has_a_channel_everywhere():
    gate = build_gate(SHAPE, 3, size=0.01)
    assert gate(torch.zeros(2, *SHAPE)).shape == (2, 3)
