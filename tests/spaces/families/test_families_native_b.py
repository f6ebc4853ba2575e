"""Traits of mobile, shuffling, patchwise, fractal, attentive and U-shaped native families."""

import re

import pytest
import torch
from torch import nn

import moesaic.spaces.families.native
from moesaic.spaces.families import family_names, get_family
from moesaic.spaces.families.native._attention import SelfAttention
from moesaic.spaces.families.native._bag import RECEPTIVE_FIELD
from moesaic.spaces.families.native._convnext import ConvNeXtBlock
from moesaic.spaces.families.native._diffuser import MapAttention
from moesaic.spaces.families.native._fractal import Fractal
from moesaic.spaces.families.native._icnet import CascadeFusion, ImageCascade, PyramidPooling
from moesaic.spaces.families.native._layers import ChannelNorm, Patches, SqueezeExcite
from moesaic.spaces.families.native._maxvit import MaxVitBlock
from moesaic.spaces.families.native._mobile import InvertedResidual
from moesaic.spaces.families.native._shuffle import ShuffleUnit, shuffle
from moesaic.spaces.families.native._swin import PatchMerging
from moesaic.spaces.families.native._unet import UNet
from moesaic.spaces.families.native._windows import WindowBlock
from moesaic.training import count_macs

NAMES = (
    *("MobileNetV2", "MobileNetV3", "MNASNet", "EfficientNet", "ShuffleNet", "BagNet"),
    *("FractalNet", "ConvNeXt", "SwinTransformer", "VisionTransformer", "MaxVit"),
    *("Diffuser", "ICNet", "UNet2D"),
)
COLOUR = (3, 32, 32)


def build(name, shape=COLOUR, classes=5):
    torch.manual_seed(0)
    return get_family(name).build(shape, classes)


def parts(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def seen_by(features, shape, row, column):
    """Return which rows and columns of the image a pixel of the feature map depends on."""
    image = torch.randn(1, *shape, dtype=torch.float64, requires_grad=True)
    features.double().eval()(image)[0, :, row, column].square().sum().backward()
    seen = image.grad[0].abs().sum(dim=0) > 0
    return seen.any(dim=1).nonzero().flatten(), seen.any(dim=0).nonzero().flatten()


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_publication(name):
    assert name in family_names("native")
    assert re.search(r" (19|20)\d\d, arXiv:\d{4}\.\d{5}", get_family(name).provenance)


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_image_trains_and_the_last_batch_may_be_two(name):
    side = get_family(name).min_size
    model = build(name, (1, side, side + 1)).train()
    model(torch.randn(2, 1, side, side + 1)).logsumexp(dim=1).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_importing_the_package_registers_every_module_of_it():
    assert set(NAMES) <= set(family_names("native"))
    assert moesaic.spaces.families.native.__name__.endswith(".native")


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3", "MNASNet", "EfficientNet"])
def test_inverted_residuals_end_linear_and_join_where_shapes_agree(name):
    blocks = parts(build(name), InvertedResidual)
    assert len(blocks) > 6
    assert any(block.joins for block in blocks)
    for block in blocks:
        first = parts(block.body, nn.Conv2d)[0]
        depthwise = next(c for c in parts(block.body, nn.Conv2d) if c.groups > 1)
        last = block.body[-1]
        assert [type(layer) for layer in last] == [nn.Conv2d, nn.BatchNorm2d]
        assert depthwise.groups == depthwise.in_channels >= first.in_channels
        same = first.in_channels == last[0].out_channels and depthwise.stride == (1, 1)
        assert block.joins == same


def kernels(name):
    return {c.kernel_size[0] for c in parts(build(name), nn.Conv2d) if c.groups > 1}


def test_mobile_families_differ_as_published():
    v2, v3, mnas, efficient = (
        build(name) for name in ("MobileNetV2", "MobileNetV3", "MNASNet", "EfficientNet")
    )
    assert parts(v2, nn.ReLU6)
    assert kernels("MobileNetV2") == {3}
    assert kernels("MNASNet") == kernels("MobileNetV3") == kernels("EfficientNet") == {3, 5}
    assert not parts(v2, SqueezeExcite)
    assert not parts(mnas, SqueezeExcite)
    assert 0 < len(parts(v3, SqueezeExcite)) < len(parts(v3, InvertedResidual))
    assert len(parts(efficient, SqueezeExcite)) == len(parts(efficient, InvertedResidual))
    assert parts(v3, nn.Hardswish)
    assert parts(v3, nn.Hardsigmoid)
    assert parts(v3, nn.ReLU)
    assert parts(efficient, nn.SiLU)
    assert not parts(efficient, nn.ReLU)


def test_squeeze_and_excite_scales_a_channel_by_one_number():
    x = torch.rand(2, 6, 5, 5) + 0.5
    ratio = SqueezeExcite(6, 2)(x) / x
    assert torch.allclose(ratio, ratio.mean(dim=(2, 3), keepdim=True).expand_as(ratio), atol=1e-6)
    assert ((ratio > 0) & (ratio < 1)).all()


def test_shuffling_interleaves_the_groups():
    x = torch.arange(12.0).reshape(1, 12, 1, 1).expand(2, -1, 3, 4)
    assert shuffle(x, 2)[0, :, 0, 0].tolist() == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]
    assert shuffle(x, 3)[1, :, 2, 3].tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    assert torch.equal(shuffle(shuffle(x, 3), 4), x)


def test_half_of_the_channels_pass_a_shuffle_unit_untouched():
    x = torch.randn(2, 8, 6, 6)
    assert torch.equal(ShuffleUnit(8, 8, 1)(x)[:, ::2], x[:, :4])
    assert ShuffleUnit(8, 20, 2)(x).shape == (2, 20, 3, 3)


def test_bagnet_sees_nine_pixels_a_side_and_no_more():
    model = build("BagNet")
    assert model.features.eval()(torch.zeros(1, *COLOUR)).shape[-2:] == (8, 8)
    rows, columns = seen_by(model.features, COLOUR, 4, 4)
    assert len(rows) == len(columns) == RECEPTIVE_FIELD
    assert rows.tolist() == list(range(int(rows[0]), int(rows[0]) + RECEPTIVE_FIELD))
    spatial = [c for c in parts(model, nn.Conv2d) if c.kernel_size != (1, 1)]
    assert len(spatial) < len(parts(model, nn.Conv2d)) / 4


def test_the_logits_of_a_bagnet_are_the_mean_over_its_patches():
    model = build("BagNet").eval()
    image = torch.randn(2, *COLOUR)
    patches = model.classifier(model.features(image).flatten(2).transpose(1, 2))
    assert torch.allclose(patches.mean(dim=1), model(image), atol=1e-5)


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_a_fractal_is_as_deep_as_its_columns_say(columns):
    block = Fractal(2, 3, columns)
    assert len(parts(block, nn.Conv2d)) == 2**columns - 1
    assert len(block.eval().paths(torch.zeros(1, 2, 4, 4))) == columns
    rows, _ = seen_by(block, (2, 40, 40), 20, 20)
    assert len(rows) == 1 + 2 * 2 ** (columns - 1)


def test_a_fractal_joins_its_columns_by_their_mean():
    block = Fractal(2, 3, 3).eval()
    x = torch.randn(2, 2, 6, 6)
    half = block.first
    early = (half.short(x) + half.second.short(half.first.short(x))) / 2
    late = block.second
    arriving = (block.short(x), late.short(early), late.second.short(late.first.short(early)))
    assert torch.allclose(block(x), sum(arriving) / 3, atol=1e-6)


def test_a_convnext_block_is_the_identity_at_scale_zero():
    block = ConvNeXtBlock(6)
    x = torch.randn(2, 6, 5, 5)
    assert not torch.equal(block(x), x)
    nn.init.zeros_(block.scale)
    assert torch.equal(block(x), x)
    assert block.depthwise.kernel_size == (7, 7)
    assert block.depthwise.groups == 6
    assert parts(block, nn.GELU)


def test_convnext_normalises_layers_and_has_the_published_ratio_of_blocks():
    model = build("ConvNeXt")
    assert not parts(model, nn.BatchNorm2d)
    widths = [block.scale.numel() for block in parts(model, ConvNeXtBlock)]
    assert [widths.count(width) for width in sorted(set(widths))] == [1, 1, 3, 1]


def test_a_channel_norm_standardises_every_pixel():
    out = ChannelNorm(16)(5 + 3 * torch.randn(2, 16, 3, 4))
    assert torch.allclose(out.mean(dim=1), torch.zeros(2, 3, 4), atol=1e-5)
    assert torch.allclose(out.var(dim=1, correction=0), torch.ones(2, 3, 4), atol=1e-3)


def test_patches_that_the_image_does_not_fill_are_filled_with_zeros():
    layer = Patches(1, 2, 4)
    image = torch.randn(1, 1, 6, 9)
    filled = torch.zeros(1, 1, 8, 12)
    filled[:, :, :6, :9] = image
    assert torch.equal(layer(image), layer(filled))
    assert layer(image).shape == (1, 2, 2, 3)


@pytest.mark.parametrize(("shape", "tokens"), [((3, 32, 32), 65), ((1, 28, 28), 50)])
def test_a_vision_transformer_has_a_token_a_patch_and_one_for_the_class(shape, tokens):
    model = build("VisionTransformer", shape).eval()
    found = model.tokens(torch.randn(2, *shape))
    assert found.shape[1] == tokens
    assert torch.equal(found[0, 0], found[1, 0])
    assert torch.equal(found[0, 0], model.token[0, 0] + model.position[0, 0])


def test_attention_agrees_with_torchs_own():
    ours = SelfAttention(12, 3)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.mix.weight)
        theirs.in_proj_bias.copy_(ours.mix.bias)
    theirs.out_proj.load_state_dict(ours.project.state_dict())
    x = torch.randn(4, 2, 7, 12)
    for group in (0, 1):
        alone = x[:, group]
        assert torch.allclose(ours(x)[:, group], theirs(alone, alone, alone)[0], atol=1e-5)


@pytest.mark.parametrize("name", ["VisionTransformer", "SwinTransformer", "MaxVit", "Diffuser"])
def test_attention_is_counted_beside_the_layers(name):
    model = build(name)
    products, layers = 0, 0

    def add(module, inputs, output):
        nonlocal products, layers
        if isinstance(module, SelfAttention):
            _, groups, tokens, width = inputs[0].shape
            products += 2 * groups * tokens * tokens * width
        else:
            layers += output.numel() * module.weight[0].numel()

    counted = (SelfAttention, nn.Linear, nn.Conv2d)
    handles = [module.register_forward_hook(add) for module in parts(model, counted)]
    model.eval()(torch.zeros(1, *COLOUR))
    for handle in handles:
        handle.remove()
    assert products > 0
    assert count_macs(model, COLOUR) == layers + products
    assert count_macs(model.to("meta"), COLOUR) == layers + products


def test_swin_shifts_every_other_block_unless_the_map_is_one_window():
    model = build("SwinTransformer")
    windows = [block.attention.windows for block in parts(model, WindowBlock)]
    assert [w.size[0] for w in windows] == [16, 16, 8, 8, 4, 4]
    assert [w.shift for w in windows] == [0, 2, 0, 2, 0, 0]


def test_merging_joins_two_by_two_pixels():
    merge = PatchMerging(3)
    x = torch.randn(2, 5, 4, 3)
    out = merge(x)
    assert out.shape == (2, 3, 2, 6)
    quad = x[:, 2:4, 2:4].reshape(2, 12)
    assert torch.allclose(out[:, 1, 1], merge.reduce(merge.norm(quad)), atol=1e-6)


def test_maxvit_attends_in_blocks_then_on_a_grid():
    blocks = parts(build("MaxVit"), MaxVitBlock)
    assert len(blocks) > 1
    for block in blocks:
        assert not block.block.attention.windows.grid
        assert block.grid.attention.windows.grid
        assert parts(block.convolutions, SqueezeExcite)


def test_a_diffuser_attends_at_its_lowest_resolution_only():
    model = build("Diffuser").eval()
    sizes = []
    (attention,) = parts(model, MapAttention)
    attention.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape))
    assert model.features[0](torch.randn(2, *COLOUR)).shape[-2:] == (16, 16)
    assert sizes[0][-2:] == (4, 4)


@pytest.mark.parametrize("name", ["Diffuser", "UNet2D"])
def test_maps_are_passed_beside_the_lowest_level(name):
    network = build(name).features[0].eval()
    image = torch.randn(1, *COLOUR)
    # What comes up from below is cut off: the image must still be seen through the passed maps.
    for grow in network.grow:
        grow.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    assert not torch.allclose(network(image), network(image.roll(3, dims=3)))


def test_a_unet_returns_to_the_size_of_the_image():
    assert UNet(1, (4, 8, 12))(torch.zeros(2, 1, 13, 10)).shape == (2, 4, 13, 10)


def test_icnet_runs_its_shared_layers_on_the_half_and_the_quarter():
    model = build("ICNet").eval()
    (cascade,) = parts(model, ImageCascade)
    seen = []
    cascade.shared.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    image = torch.randn(1, *COLOUR)
    model(image)
    assert sorted(x.shape[-1] for x in seen) == [8, 16]
    assert len(parts(model, CascadeFusion)) == 2
    half = max(seen, key=lambda x: x.shape[-1])
    assert torch.allclose(half[0, :, 1, 2], image[0, :, 2:4, 4:6].mean(dim=(1, 2)), atol=1e-6)


def test_a_pyramid_adds_four_times_a_constant_map():
    assert torch.allclose(PyramidPooling()(torch.full((1, 2, 4, 4), 1.5)), torch.tensor(6.0))
