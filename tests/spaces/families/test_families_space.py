"""The `families` space keeps the contract of a search space and says no in one line."""

import numpy as np
import pytest
import torch
from torch import nn

from moesaic.errors import BuildError, InputError
from moesaic.spaces import (
    Architecture,
    SearchSpace,
    build_architecture,
    get_space,
    match_macs,
    space_names,
)
from moesaic.spaces.families import (
    FamilySpace,
    family_architecture,
    family_names,
    register_family,
)
from moesaic.testing import SearchSpaceContract
from moesaic.training import count_macs

POOL = ("VGG", "AlexNet", "DarkNet")


class TestFamilySpace(SearchSpaceContract):
    draws = 4

    def make_space(self) -> SearchSpace:
        return get_space("families", pool=POOL)


def linear(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), classes))


def refuses(shape, classes):
    raise RuntimeError(f"no way\nto take {shape}")


def is_none(shape, classes):
    return None


def needs_too_much(shape, classes):
    raise MemoryError("1 TiB")


@pytest.fixture
def own(monkeypatch):
    """Let a test register families of its own, forgotten afterwards."""
    from moesaic.spaces.families import _registry

    assert family_names("native")  # they are registered before the copy is made
    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
    return register_family


def test_it_is_a_built_in_space_of_all_native_families():
    assert "families" in space_names()
    space = get_space("families")
    assert isinstance(space, FamilySpace)
    assert space.pool == family_names("native")
    assert space.size == len(space.pool)


def test_the_order_and_the_way_of_writing_a_pool_do_not_matter():
    spaces = [FamilySpace(POOL), FamilySpace(sorted(POOL)), FamilySpace("DarkNet,VGG,AlexNet")]
    assert {space.pool for space in spaces} == {("AlexNet", "DarkNet", "VGG")}
    for space in spaces:
        drawn = [space.sample(np.random.default_rng(seed)).family for seed in range(20)]
        assert set(drawn) == set(POOL)
        assert drawn == [spaces[0].sample(np.random.default_rng(s)).family for s in range(20)]


def test_an_architecture_is_a_name_with_a_key_that_never_changes():
    found = family_architecture("ResNet")
    assert (found.space, found.family, found.text) == (
        "families",
        "ResNet",
        '{"family":"ResNet"}',
    )
    assert found.key == "2f82cb01118d6f31"
    keys = {family_architecture(name).key for name in family_names("native")}
    assert len(keys) == len(family_names("native"))
    with pytest.raises(InputError, match="did you mean ResNet"):
        family_architecture("RseNet")


def test_labels_are_the_name_and_neighbours_are_everybody_else():
    space = FamilySpace(POOL)
    vgg = family_architecture("VGG")
    assert space.stratum(vgg) == space.describe(vgg) == "VGG"
    near = {
        tuple(a.family for a in space.neighbours(vgg, np.random.default_rng(s))) for s in range(9)
    }
    assert near == {("AlexNet", "DarkNet"), ("DarkNet", "AlexNet")}
    np.testing.assert_array_equal(space.features(vgg), [0, 0, 1])
    assert space.graph(vgg) == []


def test_a_stranger_has_no_features_but_every_space_builds_it():
    space, stranger = FamilySpace(POOL), family_architecture("ResNet")
    with pytest.raises(InputError, match="'ResNet' is not in the pool of 3"):
        space.features(stranger)
    assert len(space.neighbours(stranger, np.random.default_rng(0))) == 3
    assert isinstance(space.build(stranger, (3, 16, 16), 4), nn.Module)


def test_a_restored_architecture_is_built_without_knowing_the_pool(own):
    own("Mine", linear, provider="plugin", min_size=2, provenance="here")
    architecture = Architecture.from_dict(family_architecture("Mine").to_dict())
    model = build_architecture(architecture, (2, 4, 4), 3)
    assert model(torch.zeros(5, 2, 4, 4)).shape == (5, 3)
    assert "Mine" not in get_space("families").pool


@pytest.mark.parametrize(
    ("shape", "words"),
    [((12,), "takes images"), ((3, 4, 16), "8 pixels"), ((0, 16, 16), "takes images")],
)
def test_what_a_family_cannot_take_is_a_build_error_in_one_line(shape, words):
    with pytest.raises(BuildError, match=words) as caught:
        get_space("families").build(family_architecture("VGG"), shape, 4)
    assert "\n" not in str(caught.value)
    assert "'VGG'" in str(caught.value)


def test_a_builder_that_fails_is_named_with_its_reason(own):
    own("Refuses", refuses, provider="plugin")
    own("IsNone", is_none, provider="plugin")
    own("Huge", needs_too_much, provider="plugin")
    space = get_space("families", pool=("Refuses", "IsNone", "Huge"))
    with pytest.raises(BuildError, match="RuntimeError: no way to take") as caught:
        space.build(family_architecture("Refuses"), (3, 16, 16), 4)
    assert "\n" not in str(caught.value)
    assert "plugin" in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(BuildError, match="built a NoneType"):
        space.build(family_architecture("IsNone"), (3, 16, 16), 4)
    with pytest.raises(MemoryError):
        space.build(family_architecture("Huge"), (3, 16, 16), 4)


def test_a_family_nobody_registered_is_unknown():
    text = '{"family":"Nobody"}'
    architecture = Architecture(key="0", space="families", text=text, family="Nobody")
    with pytest.raises(InputError, match="unknown family 'Nobody'"):
        build_architecture(architecture, (3, 16, 16), 4)


def test_a_family_has_no_widths():
    space, vgg = FamilySpace(POOL), family_architecture("VGG")
    assert space.widths(vgg) == ()
    assert space.resize(vgg, ()) == vgg
    with pytest.raises(InputError, match="no widths"):
        space.resize(vgg, (8,))
    macs = count_macs(space.build(vgg, (3, 16, 16), 4), (3, 16, 16))
    assert match_macs(space, vgg, macs, (3, 16, 16), 4, count_macs) == vgg
    with pytest.raises(InputError, match="choose another target"):
        match_macs(space, vgg, 3 * macs, (3, 16, 16), 4, count_macs)


@pytest.mark.parametrize(
    ("pool", "words"),
    [((), "no families"), (("VGG", "VGG"), "twice"), (("VGG", "RseNet"), "did you mean ResNet")],
)
def test_a_bad_pool_is_refused(pool, words):
    with pytest.raises(InputError, match=words):
        FamilySpace(pool)
