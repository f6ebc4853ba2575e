"""Families of timm, where it is installed."""

import importlib.util

import pytest
import torch

from moesaic.errors import BuildError, InputError
from moesaic.spaces import family_names, get_family

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed"
)


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_a_model_is_built_for_the_size_of_the_images(name):
    network = get_family(f"timm/{name}").build((1, 32, 48), 7)
    assert network(torch.rand(2, 1, 32, 48)).shape == (2, 7)


def test_names_carry_the_name_of_the_provider():
    names = family_names("timm")
    assert "timm/resnet18" in names
    assert all(name.startswith("timm/") for name in names)


def test_an_unknown_one_is_answered_with_near_ones():
    with pytest.raises(InputError, match=r"'timm/resnet118': did you mean timm/resnet"):
        get_family("timm/resnet118")


def test_what_it_cannot_take_is_a_build_error():
    with pytest.raises(BuildError, match="cannot take images of shape"):
        get_family("timm/inception_v3").build((3, 32, 32), 10)
    with pytest.raises(BuildError, match=r"takes images \(C, H, W\)"):
        get_family("timm/resnet18").build((3,), 10)
