"""FractalNet: paths of 1, 2, 4, ... convolutions side by side, built by one recursive rule."""

from __future__ import annotations

from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import PooledClassifier, convolution


class Fractal(nn.Module):
    """f_1 is one convolution; f_C is the mean of one and of two f_(C-1) in a row.

    Its longest path has 2^(C-1) convolutions and its shortest has one. A join takes the mean of
    every path that meets in it, so that joins that follow each other count as one, as published;
    paths are not dropped in training.
    """

    def __init__(self, inputs: int, outputs: int, columns: int) -> None:
        super().__init__()
        self.short = convolution(inputs, outputs)
        self.first = Fractal(inputs, outputs, columns - 1) if columns > 1 else None
        self.second = Fractal(outputs, outputs, columns - 1) if columns > 1 else None

    def paths(self, x: Tensor) -> list[Tensor]:
        """Return what arrives at the last join: one tensor a column."""
        arriving = [self.short(x)]
        if self.first is not None and self.second is not None:
            arriving += self.second.paths(self.first(x))
        return arriving

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        arriving = self.paths(x)
        total = arriving[0]
        for other in arriving[1:]:
            total = total + other
        return total / len(arriving)


@family("FractalNet", provenance="Larsson et al. 2017, arXiv:1605.07648")
def fractalnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return three fractal blocks of three columns with maximum pooling after each but the last."""
    layers: list[nn.Module] = [convolution(input_shape[0], 16, 3, 2)]
    inputs = 16
    for i, outputs in enumerate((20, 40, 72)):
        if i > 0:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        layers.append(Fractal(inputs, outputs, 3))
        inputs = outputs
    return PooledClassifier(nn.Sequential(*layers), inputs, classes)
