"""A saved model read back, and what happens to a folder that is missing or damaged."""

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from moesaic.data import Normaliser
from moesaic.errors import InputError
from moesaic.mixture import (
    Deployed,
    Mixture,
    VectorGate,
    build_network,
    load_model,
    save_model,
)
from moesaic.spaces import get_space

SHAPE = (3, 9, 9)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def quick(monkeypatch):
    """Skip the export, which takes seconds and is tested beside this file."""
    monkeypatch.setattr("moesaic.mixture._package.export_model", lambda model, path: None)


def architectures(count):
    space = get_space("nasbench201", widths=(4, 8))
    rng = np.random.default_rng(0)
    found = {}
    while len(found) < count:
        architecture = space.sample(rng)
        found[architecture.key] = architecture
    return list(found.values())


def trained(experts, top_k=1):
    """A network whose weights and statistics are no longer those of a new one."""
    torch.manual_seed(3)
    network = build_network(experts, SHAPE, 4, top_k=top_k)
    network.to(memory_format=torch.channels_last)
    network.train()
    with torch.no_grad():
        for _ in range(2):
            network(torch.randn(12, *SHAPE))
    return network


def save(folder, count=3, top_k=1, **extra):
    experts = architectures(count)
    normaliser = Normaliser(torch.full((3, 1, 1), 120.0), torch.full((3, 1, 1), 60.0))
    names = ["a", "b", "c", "\u00e9"]
    options = {"experts": experts, "input_shape": SHAPE, "classes": names, "top_k": top_k}
    return save_model(folder, trained(experts, top_k), normaliser, **options, extra=extra)


def images(count, seed=0):
    source = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *SHAPE), generator=source).to(torch.uint8)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("count", "top_k"), [(3, 1), (3, 2), (1, 1)])
def test_the_model_read_is_bit_for_bit_the_model_saved(tmp_path, count, top_k):
    saved = save(tmp_path / "model", count, top_k, variant="mixture")
    for place in (tmp_path, tmp_path / "model", str(tmp_path)):
        read = load_model(place)
        assert isinstance(read, Deployed)
        assert not any(module.training for module in read.modules())
        with torch.no_grad():
            assert torch.equal(read(images(40)), saved(images(40)))
            assert torch.equal(read.route(images(40)), saved.route(images(40)))
    assert read.classes == ("a", "b", "c", "\u00e9")
    assert read.input_shape == SHAPE
    assert read.info["variant"] == "mixture"
    if count == 1:
        assert not isinstance(read.network, Mixture)
        assert read.route(images(5)).tolist() == [[1.0]] * 5
    else:
        assert read.network.top_k == top_k
        assert ((read.route(images(5)) > 0).sum(dim=1) == top_k).all()


def test_build_network_follows_the_number_of_architectures():
    mixture = build_network(architectures(2), SHAPE, 4)
    assert isinstance(mixture, Mixture)
    assert mixture(torch.zeros(2, *SHAPE)).shape == (2, 4)
    assert not isinstance(build_network(architectures(1), SHAPE, 4), Mixture)


def test_a_mixture_of_vector_networks_is_deployed_with_its_normalisation():
    mixture = Mixture([torch.nn.Linear(2, 3) for _ in range(2)], VectorGate(2, 2), 3).eval()
    normaliser = Normaliser(torch.tensor([5.0, -1.0]), torch.tensor([2.0, 4.0]))
    model = Deployed(normaliser, mixture, {"classes": ["x", "y", "z"], "input_shape": [2]})
    raw = torch.randn(6, 2) * 4
    expected = mixture((raw - torch.tensor([5.0, -1.0])) / torch.tensor([2.0, 4.0]))
    torch.testing.assert_close(model(raw), expected)


@pytest.mark.usefixtures("quick")
def test_nothing_is_unpickled_when_a_model_is_read(tmp_path, monkeypatch):
    save(tmp_path)

    def refuse(*_args, **_options):
        raise AssertionError("a model folder was unpickled")

    for owner, name in [(torch, "load"), (pickle, "load"), (pickle, "loads")]:
        monkeypatch.setattr(owner, name, refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    load_model(tmp_path)


def test_no_model_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "nowhere", tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="no model in") as raised:
            load_model(place)
        assert "\n" not in str(raised.value)


def change(name, value):
    def damage(folder):
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        info[name] = value
        (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")

    return damage


def drop(name):
    def damage(folder):
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        del info[name]
        (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")

    return damage


def cut(name, keep):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(keep * len(content))])

    return damage


def weights(change_weights):
    def damage(folder):
        held = load_file(folder / "model.safetensors")
        change_weights(held)
        save_file(held, folder / "model.safetensors")

    return damage


DAMAGE = {
    "description cut": cut("model.json", 0.5),
    "description empty": cut("model.json", 0),
    "description a list": lambda folder: (folder / "model.json").write_text("[1, 2]"),
    "description not text": lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00"),
    "newer format": change("format", 2),
    "no format": drop("format"),
    "no experts": change("experts", []),
    "experts are words": change("experts", ["cell"]),
    "experts of nobody's space": change(
        "experts", [{"key": "k", "space": "nowhere", "family": "f", "description": {}}]
    ),
    "experts without a cell": change(
        "experts", [{"key": "k", "space": "nasbench201", "family": "f", "description": {}}] * 3
    ),
    "too many at once": change("top_k", 9),
    "top_k is nothing": change("top_k", None),
    "shape of a vector": change("input_shape", [3]),
    "shape is nothing": change("input_shape", None),
    "fewer classes": change("classes", ["a"]),
    "weights cut": cut("model.safetensors", 0.7),
    "weights empty": cut("model.safetensors", 0),
    "a weight missing": weights(lambda held: held.pop("network.gate.head.bias")),
    "normalisation missing": weights(lambda held: held.pop("normaliser.mean")),
    "a weight of another shape": weights(
        lambda held: held.update({"network.gate.head.bias": torch.zeros(7)})
    ),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_model_is_one_clear_line(tmp_path, kind):
    save(tmp_path)
    DAMAGE[kind](tmp_path)
    with pytest.raises(InputError, match=r"the model in .* is damaged") as raised:
        load_model(tmp_path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 260 + len(str(tmp_path))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_file_that_is_missing_is_one_clear_line(tmp_path, name):
    save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="no model in"):
        load_model(tmp_path)


@pytest.mark.usefixtures("quick")
def test_a_model_that_was_not_wholly_written_does_not_count(tmp_path, monkeypatch):
    def fail(model, path):
        raise KeyboardInterrupt

    monkeypatch.setattr("moesaic.mixture._package.export_model", fail)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path)
    with pytest.raises(InputError, match="no model in"):
        load_model(tmp_path)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(2, *SHAPE),
        torch.zeros(2, 3, 16, 16, dtype=torch.uint8),
        torch.zeros(2, 1, 9, 9, dtype=torch.uint8),
        torch.zeros(*SHAPE, dtype=torch.uint8),
    ],
)
def test_what_it_was_not_trained_on_is_refused_in_one_line(tmp_path, wrong):
    model = save(tmp_path)
    for ask in (model, model.route):
        with pytest.raises(
            InputError, match=r"takes images of uint8 in shape \(B, 3, 9, 9\)"
        ) as told:
            ask(wrong)
        assert "\n" not in str(told.value)
        assert str(tuple(wrong.shape)) in str(told.value)
