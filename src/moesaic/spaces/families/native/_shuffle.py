"""ShuffleNet V2: half of the channels pass every unit untouched, then the halves are mixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import PooledClassifier, convolution


def shuffle(x: Tensor, groups: int = 2) -> Tensor:
    """Return (B, C, H, W) with its groups of channels interleaved; C is a multiple of `groups`."""
    # As (B, H, W, C), where channels lie side by side: no change of the memory's order.
    last = torch.unflatten(x.permute(0, 2, 3, 1), 3, (groups, -1))
    return last.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)


class ShuffleUnit(nn.Module):
    """One unit: it keeps the map's shape, or halves it and changes the number of channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = outputs // 2
        entering = inputs if stride == 2 else half
        self.branch = nn.Sequential(
            convolution(entering, half, 1),
            convolution(half, half, 3, stride, groups=half, activation=None),
            convolution(half, half, 1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            self.shortcut = nn.Sequential(
                convolution(inputs, inputs, 3, 2, groups=inputs, activation=None),
                convolution(inputs, half, 1),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        passing, worked = (x, x) if self.stride == 2 else x.chunk(2, dim=1)
        return shuffle(torch.cat([self.shortcut(passing), self.branch(worked)], dim=1))


@family("ShuffleNet", provenance="ShuffleNet V2: Ma et al. 2018, arXiv:1807.11164")
def shufflenet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a stem, three stages of units with channel split and shuffle, a wide 1x1 end."""
    layers: list[nn.Module] = [convolution(input_shape[0], 16, 3)]
    inputs = 16
    for outputs, repeats in ((48, 2), (96, 4), (192, 3)):
        layers.append(ShuffleUnit(inputs, outputs, 2))
        layers.extend(ShuffleUnit(outputs, outputs, 1) for _ in range(repeats - 1))
        inputs = outputs
    layers.append(convolution(inputs, 384, 1))
    return PooledClassifier(nn.Sequential(*layers), 384, classes)
