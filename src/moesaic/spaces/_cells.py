"""The `cells` search space and its presets: Definitions 1 to 3 of SA-NAS over small image cells."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from moesaic.errors import InputError
from moesaic.spaces._base import Architecture
from moesaic.spaces._cell_base import CellSpaceBase
from moesaic.spaces._features import FeatureMap
from moesaic.spaces._graph import path_counts
from moesaic.spaces._image_features import ImageFeatureMap
from moesaic.spaces._network import CellNetwork, network_macs
from moesaic.spaces._operations import OPERATIONS, is_convolution
from moesaic.spaces._plan import CellPlan

DEFAULT_WIDTHS = (8, 16, 32)


class CellSpace(CellSpaceBase):
    """Cells over images (C, H, W): convolutions, poolings and skips between feature maps.

    What holds of every cell space, keys above all, is in the base class.
    """

    known_operations = OPERATIONS

    def __init__(
        self,
        name: str = "cells",
        *,
        vertices: int = 4,
        operations: tuple[str, ...] = OPERATIONS,
        wiring: str = "dense",
        widths: tuple[int, ...] = DEFAULT_WIDTHS,
        cells_per_stage: int = 1,
    ) -> None:
        """Describe the space; arguments and errors as in `CellSpaceBase`, widths in channels."""
        super().__init__(
            name,
            vertices=vertices,
            operations=operations,
            wiring=wiring,
            widths=widths,
            cells_per_stage=cells_per_stage,
        )

    def _make_feature_map(self, operations: tuple[str, ...], longest: int) -> FeatureMap:
        return ImageFeatureMap(operations, longest)

    def stratum(self, architecture: Architecture) -> str:
        """Name the convolutions on the path richest in them, and whether few edges live."""
        edges = self._canonical(architecture)
        depth = max((sum(map(is_convolution, path)) for path in path_counts(edges)), default=0)
        half = 2 * len(edges) <= len(self._wiring.slots)
        return f"conv{min(depth, 3)}-{'sparse' if half else 'dense'}"

    def build(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> nn.Module:
        """Return the network (B, C, H, W) to (B, classes), of live edges only.

        Raises:
            BuildError: the cell is dead, or the shape is not (C, H, W) of 4 pixels or more.
        """
        plan = CellPlan.from_text(architecture.text)
        return CellNetwork(
            plan.canonical(),
            plan.widths,
            plan.cells_per_stage,
            tuple(input_shape),
            classes,
            plan.stem_stride,
        )

    def estimate_macs(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> int:
        """Return the exact multiply-accumulates of one sample; nothing is built."""
        plan = CellPlan.from_text(architecture.text)
        return network_macs(
            plan.canonical(),
            plan.widths,
            plan.cells_per_stage,
            input_shape,
            classes,
            plan.stem_stride,
        )

    def at_stride(self, architecture: Architecture, stem_stride: int) -> Architecture:
        """Return the same cell behind a first convolution of another stride.

        Raises:
            InputError: the stride is not 1 or more.
        """
        if type(stem_stride) is not int or stem_stride < 1:
            raise InputError(f"stem_stride must be 1 or more, got {stem_stride!r}")
        plan = CellPlan.from_text(architecture.text)
        return self._architecture(replace(plan, stem_stride=stem_stride))


def nasbench201(widths: tuple[int, ...] = DEFAULT_WIDTHS, cells_per_stage: int = 1) -> CellSpace:
    """Return the 15,625 cells of NAS-Bench-201 (Dong and Yang, 2020).

    `widths=(16, 32, 64), cells_per_stage=5` gives the benchmark's own layout.
    """
    return CellSpace(
        "nasbench201",
        operations=("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
        widths=widths,
        cells_per_stage=cells_per_stage,
    )


def sanas(widths: tuple[int, ...] = DEFAULT_WIDTHS, cells_per_stage: int = 1) -> CellSpace:
    """Return the 147,456 cells of SA-NAS: three nodes of two inputs each, four operations."""
    return CellSpace(
        "sanas",
        operations=("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "max_pool_3x3"),
        wiring="two_inputs",
        widths=widths,
        cells_per_stage=cells_per_stage,
    )
