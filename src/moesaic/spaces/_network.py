"""The network a cell is repeated in: stem, stages, reductions, head; it does not choose cells."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from torch import Tensor, nn

from moesaic.errors import BuildError
from moesaic.spaces._cell import Cell
from moesaic.spaces._graph import Edges
from moesaic.spaces._operations import build_operation, macs_per_pixel

SMALLEST_MAP = 2
SMALLEST_INPUT = 4


class StageMap(NamedTuple):
    """The feature map of a stage: the stride that led to it, and its pixels."""

    stride: int
    pixels: int


def stage_maps(input_shape: tuple[int, ...], stages: int, stem_stride: int = 1) -> list[StageMap]:
    """Return the map of every stage; a map of 2 pixels a side is not reduced further.

    Raises:
        BuildError: the shape is not that of an image of 4 pixels or more a side, or the stem
            leaves less than 2 of them.
    """
    if len(input_shape) == 1:
        raise BuildError(
            f"a cell network takes images (C, H, W) of {SMALLEST_INPUT} pixels or more a side, "
            f"got vectors of shape {input_shape}: choose --space vector_cells"
        )
    if len(input_shape) != 3 or min(input_shape[1:]) < SMALLEST_INPUT or input_shape[0] < 1:
        raise BuildError(
            f"a cell network takes images (C, H, W) of {SMALLEST_INPUT} pixels or more a side, "
            f"got input shape {input_shape}: choose a larger --image-size"
        )
    height, width = (-(-side // stem_stride) for side in input_shape[1:])
    if min(height, width) < SMALLEST_MAP:
        raise BuildError(
            f"a stem of stride {stem_stride} leaves {height} x {width} pixels of an image of "
            f"{input_shape[1]} x {input_shape[2]}, expected {SMALLEST_MAP} or more a side: give "
            "smaller stride_choices or a larger --image-size"
        )
    maps = [StageMap(stem_stride, height * width)]
    for _ in range(1, stages):
        stride = 2 if (min(height, width) + 1) // 2 >= SMALLEST_MAP else 1
        height, width = -(-height // stride), -(-width // stride)
        maps.append(StageMap(stride, height * width))
    return maps


def network_macs(
    edges: Edges,
    widths: tuple[int, ...],
    cells_per_stage: int,
    input_shape: tuple[int, ...],
    classes: int,
    stem_stride: int = 1,
) -> int:
    """Return the multiply-accumulates of one sample through `CellNetwork`, without building it.

    Raises:
        BuildError: as `stage_maps`.
    """
    maps = stage_maps(input_shape, len(widths), stem_stride)
    total = maps[0].pixels * 9 * input_shape[0] * widths[0] + widths[-1] * classes
    for width, here in zip(widths, maps, strict=True):
        cell = sum(macs_per_pixel(operation, width) for *_, operation in edges)
        total += here.pixels * cells_per_stage * cell
    for (before, after), here in zip(itertools.pairwise(widths), maps[1:], strict=True):
        # two 3x3 convolutions and the 1x1 of the shortcut
        total += here.pixels * after * (9 * before + 9 * after + before)
    return total


class Reduction(nn.Module):
    """A residual block to the next width, at half the resolution unless `stride` is 1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        # ceil_mode gives ceil(H / 2), what the padded stride-2 convolution gives for odd sizes.
        pool = nn.AvgPool2d(2, stride=2, ceil_mode=True) if stride == 2 else nn.Identity()
        self.shortcut = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


class CellNetwork(nn.Module):
    """Stem, stages of equal cells with reductions between them, BN-ReLU-average-linear head.

    With widths (16, 32, 64) and five cells a stage this is NAS-Bench-201's layout.
    """

    def __init__(
        self,
        edges: Edges,
        widths: tuple[int, ...],
        cells_per_stage: int,
        input_shape: tuple[int, ...],
        classes: int,
        stem_stride: int = 1,
    ) -> None:
        """Build the network.

        Args:
            edges: the cell's live edges, sorted.
            widths: channels, one a stage.
            cells_per_stage: how often the cell is repeated in a stage.
            input_shape: (C, H, W), H and W at least 4.
            classes: number of logits.
            stem_stride: of the first convolution; 2 halves the resolution of all that follows.

        Raises:
            BuildError: the cell is dead, the stem leaves too little, or the shape is not that of
                an image of 4 pixels or more.
        """
        super().__init__()
        maps = stage_maps(input_shape, len(widths), stem_stride)
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], widths[0], 3, stride=stem_stride, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
        )
        stages: list[nn.Module] = [
            Cell(edges, widths[0], build_operation) for _ in range(cells_per_stage)
        ]
        for (before, after), here in zip(itertools.pairwise(widths), maps[1:], strict=True):
            stages.append(Reduction(before, after, here.stride))
            stages.extend(Cell(edges, after, build_operation) for _ in range(cells_per_stage))
        self.stages = nn.Sequential(*stages)
        self.last = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU())
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to logits (B, classes)."""
        features = self.last(self.stages(self.stem(x)))
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits
