"""DPN-68, DPN-107 and DPN-131: one path adds as in ResNeXt, the other joins as in DenseNet."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._blocks import ConvNormAct, Head, NormActConv

_PAPER = "Chen et al. 2017, arXiv:1707.01629"


@dataclass(frozen=True)
class DualPathPlan:
    """The numbers that tell the members apart; channels of the first stage double from then on.

    Attributes:
        stem: channels of the first convolution.
        added: channels of the residual path in the first stage.
        inner: channels of the grouped 3 x 3 convolution in the first stage.
        groups: of that convolution, in all stages.
        increments: channels that every block joins to the dense path, one a stage.
        depths: blocks, one a stage.
    """

    stem: int
    added: int
    inner: int
    groups: int
    increments: tuple[int, ...]
    depths: tuple[int, ...]


class DualPathBlock(nn.Module):
    """A pre-activated grouped bottleneck; its output is split between the two paths.

    The first block of a stage projects its input to both paths, and reduces where it strides.
    """

    def __init__(
        self,
        inputs: int,
        added: int,
        inner: int,
        increment: int,
        *,
        groups: int,
        stride: int,
        projects: bool,
    ) -> None:
        """Build the block.

        Args:
            inputs: channels, those of the residual path first.
            added: channels of the residual path.
            inner: channels of the grouped convolution.
            increment: channels joined to the dense path; a projection starts it with twice that.
            groups: of the 3 x 3 convolution.
            stride: of the 3 x 3 convolution and of the projection.
            projects: whether this is the first block of its stage.
        """
        super().__init__()
        self.added = added
        self.outputs = (added + 3 * increment) if projects else (inputs + increment)
        self.project = (
            NormActConv(inputs, added + 2 * increment, 1, stride=stride)
            if projects
            else nn.Identity()
        )
        self.body = nn.Sequential(
            NormActConv(inputs, inner, 1),
            NormActConv(inner, inner, 3, stride=stride, groups=groups),
            NormActConv(inner, added + increment, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, self.outputs, ceil(H / stride), ceil(W / stride))."""
        both, new = self.project(x), self.body(x)
        return torch.cat(
            [
                both[:, : self.added] + new[:, : self.added],
                both[:, self.added :],
                new[:, self.added :],
            ],
            dim=1,
        )


def dual_path_network(plan: DualPathPlan, channels: int, classes: int) -> nn.Module:
    """Return the network of a plan: a strided stem, stages of blocks, a classifier."""
    layers: list[nn.Module] = [ConvNormAct(channels, plan.stem, stride=2)]
    width = plan.stem
    for stage, (increment, depth) in enumerate(zip(plan.increments, plan.depths, strict=True)):
        for place in range(depth):
            block = DualPathBlock(
                width,
                plan.added * 2**stage,
                plan.inner * 2**stage,
                increment,
                groups=plan.groups,
                stride=2 if stage and not place else 1,
                projects=not place,
            )
            layers.append(block)
            width = block.outputs
    return nn.Sequential(
        *layers, nn.BatchNorm2d(width), nn.ReLU(inplace=True), Head(width, classes)
    )


# Published, for the first stage: stem 10, 128, 128; path 64, 256, 256; inner 128, 200, 160; groups
# 32, 50, 40; increments (16, 32, 32, 64), (20, 64, 64, 128), (16, 32, 32, 128); depths (3, 4, 12,
# 3), (4, 8, 20, 3), (4, 8, 28, 3). The relations between the members are kept.
_DPN68 = DualPathPlan(8, 16, 32, 8, (4, 8, 8), (2, 2, 3))
_DPN107 = DualPathPlan(24, 48, 40, 10, (4, 12, 12), (1, 2, 3))
_DPN131 = DualPathPlan(24, 48, 32, 8, (3, 6, 6), (1, 2, 4))


@family("DPN68", provenance=f"{_PAPER} (DPN-68)")
def dpn68(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the thin one: its residual path is half as wide as its bottleneck."""
    return dual_path_network(_DPN68, input_shape[0], classes)


@family("DPN107", provenance=f"{_PAPER} (DPN-107)")
def dpn107(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the wide one: the widest bottleneck, and the largest increments."""
    return dual_path_network(_DPN107, input_shape[0], classes)


@family("DPN131", provenance=f"{_PAPER} (DPN-131)")
def dpn131(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the deep one: a narrower bottleneck and half the increments, in more blocks."""
    return dual_path_network(_DPN131, input_shape[0], classes)
