"""Families of pytorchcv at the size of small images; where it is not installed, only its table."""

import importlib.util

import pytest
import torch
from torch import nn

from moesaic.errors import BuildError, InputError
from moesaic.spaces import family_names, get_family
from moesaic.spaces.families import _pytorchcv, _pytorchcv_table

ROWS = _pytorchcv_table.ROWS
# Small ones of every kind that is adapted: stem softened, made dense, kept; classifier replaced.
SMALL = ("mobilenetv2", "peleenet", "resnet_cifar", "nin_cifar", "squeezenet")
# They decide by the values of tensors, which there are none of on the meta device.
LOOK_AT_VALUES = ("isqrtcovresnet", "resdropresnet_cifar", "xdensenet", "xdensenet_cifar")

installed = pytest.mark.skipif(
    importlib.util.find_spec("pytorchcv") is None, reason="pytorchcv is not installed"
)


def test_the_table_is_in_order_and_whole():
    assert list(ROWS) == sorted(ROWS)
    assert len(ROWS) >= 90
    assert {row.stem for row in ROWS.values()} == {"soft", "all", "keep"}
    assert {row.min_size for row in ROWS.values()} == {8, 16, 32}
    assert all(row.paper for row in ROWS.values())


class TestAdapting:
    def network(self):
        stem = nn.Sequential(
            nn.Conv2d(3, 4, 7, stride=2, padding=3), nn.Conv2d(4, 4, 3, stride=2, padding=1)
        )
        features = nn.Sequential()
        features.add_module("init_block", stem)
        features.add_module("init_pool", nn.MaxPool2d(3, stride=2, padding=1))
        features.add_module("stage1", nn.Conv2d(4, 4, 3, stride=2, padding=1))
        features.add_module("final_pool", nn.AvgPool2d(7))
        network = nn.Module()
        network.add_module("features", features)
        return network

    @pytest.mark.parametrize(("every", "left"), [(False, 8), (True, 16)])
    def test_a_softened_stem_shrinks_less(self, every, left):
        network = self.network()
        _pytorchcv._soften_stem(network, every=every)
        _pytorchcv._pool_everything(network)
        images = torch.zeros(1, 3, 32, 32)
        assert network.features[:-1](images).shape == (1, 4, left, left)
        assert network.features(images).shape == (1, 4, 1, 1)


@installed
class TestInstalled:
    def test_every_family_names_a_constructor_that_is_there(self):
        names = family_names("pytorchcv")
        assert names == tuple(f"pytorchcv/{module}" for module in ROWS)
        for module, row in ROWS.items():
            found = importlib.import_module(f"pytorchcv.models.{module}")
            assert callable(getattr(found, row.constructor))

    @pytest.mark.parametrize("module", SMALL)
    def test_it_maps_grey_images_to_any_number_of_classes(self, module):
        found = get_family(f"pytorchcv/{module}")
        network = found.build((1, 32, 32), 7)
        logits = network(torch.rand(2, 1, 32, 32))
        assert logits.shape == (2, 7)
        logits.square().sum().backward()
        assert any(weight.grad is not None for weight in network.parameters())

    @pytest.mark.parametrize("module", ["mobilenetv2", "resnet_cifar"])
    def test_it_takes_images_as_small_as_it_says(self, module):
        found = get_family(f"pytorchcv/{module}")
        size = found.min_size
        network = found.build((3, size, size), 10)
        assert network(torch.rand(2, 3, size, size)).shape == (2, 10)

    def test_metadata_says_what_it_is(self):
        found = get_family("pytorchcv/resnet_cifar")
        assert found.provider == "pytorchcv"
        assert found.provenance == "resnet56_cifar10 of pytorchcv, arXiv:1512.03385"

    def test_an_unknown_one_is_answered_with_near_ones(self):
        with pytest.raises(InputError, match="did you mean pytorchcv/resnet_cifar"):
            get_family("pytorchcv/resnet_cifarr")

    def test_what_it_cannot_take_is_a_build_error(self):
        with pytest.raises(BuildError, match=r"cannot take images of shape \(3, 16, 16\)"):
            get_family("pytorchcv/inceptionresnetv1").build((3, 16, 16), 10)
        with pytest.raises(BuildError, match=r"takes images \(C, H, W\)"):
            get_family("pytorchcv/resnet_cifar").build((5,), 10)

    def test_a_version_without_the_network_is_named(self, monkeypatch):
        row = _pytorchcv_table.Row("resnet7", 8, "nowhere")
        with pytest.raises(InputError, match=r"no resnet\.resnet7 .* 0\.0\.67 to 0\.0\.74"):
            _pytorchcv._build("resnet", row, (3, 32, 32), 10)

    def test_a_constructor_that_fails_is_a_build_error(self):
        row = _pytorchcv_table.Row("resnet10", 8, "nowhere", options={"nothing_like_it": 1})
        with pytest.raises(BuildError, match=r"'pytorchcv/resnet' could not be built .* TypeError"):
            _pytorchcv._build("resnet", row, (3, 32, 32), 10)

    @pytest.mark.slow
    @pytest.mark.parametrize("module", ROWS)
    def test_every_family_runs(self, module):
        found = get_family(f"pytorchcv/{module}")
        with torch.device("cpu" if module in LOOK_AT_VALUES else "meta"):
            assert isinstance(found.build((1, 32, 32), 7), nn.Module)
