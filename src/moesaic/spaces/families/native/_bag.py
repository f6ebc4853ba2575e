"""BagNet: a residual network of 1x1 convolutions that sees small patches only, and averages."""

from __future__ import annotations

from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import PooledClassifier, convolution

RECEPTIVE_FIELD = 9


class BagBottleneck(nn.Module):
    """A residual bottleneck whose middle is 3x3 in the first block of a stage, else 1x1."""

    def __init__(self, inputs: int, middle: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, middle, 1),
            convolution(middle, middle, kernel, stride),
            convolution(middle, outputs, 1, activation=None),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = convolution(inputs, outputs, 1, stride, activation=None)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return out


@family("BagNet", provenance="Brendel and Bethge 2019, arXiv:1904.00760 (BagNet-9)")
def bagnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the network; a pixel of its last map sees 9 x 9 pixels of the image.

    Maps are padded where the published network crops them, so that small images leave a map.
    """
    layers: list[nn.Module] = [
        convolution(input_shape[0], 12, 1, activation=None),
        convolution(12, 24, 3),
    ]
    inputs = 24
    # the 3x3 middles see 3, 5 and 9 pixels of the image; there is none after the second stage
    for middle, kernel, stride, repeats in ((16, 3, 2, 2), (32, 3, 2, 3), (56, 1, 1, 2)):
        outputs = 4 * middle
        for i in range(repeats):
            first = i == 0
            layers.append(
                BagBottleneck(
                    inputs, middle, outputs, kernel if first else 1, stride if first else 1
                )
            )
            inputs = outputs
    return PooledClassifier(nn.Sequential(*layers), inputs, classes)
