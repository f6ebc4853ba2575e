"""The `vector_cells` search space: cells over vectors, with the operations of the SA-NAS toy."""

from __future__ import annotations

from torch import nn

from moesaic.spaces._base import Architecture
from moesaic.spaces._cell_base import CellSpaceBase
from moesaic.spaces._features import FeatureMap
from moesaic.spaces._plan import CellPlan
from moesaic.spaces._vector_features import VectorFeatureMap
from moesaic.spaces._vector_network import VectorNetwork, vector_network_macs
from moesaic.spaces._vector_operations import OPERATIONS, is_radial

DEFAULT_WIDTHS = (16,)


class VectorCellSpace(CellSpaceBase):
    """Cells over vectors (D,): linear maps, translations, squares, radial bases, relu, dropout.

    What holds of every cell space, keys above all, is in the base class.
    """

    known_operations = OPERATIONS

    def __init__(
        self,
        name: str = "vector_cells",
        *,
        vertices: int = 4,
        operations: tuple[str, ...] = OPERATIONS,
        wiring: str = "dense",
        widths: tuple[int, ...] = DEFAULT_WIDTHS,
        cells_per_stage: int = 1,
    ) -> None:
        """Describe the space; arguments and errors as in `CellSpaceBase`."""
        super().__init__(
            name,
            vertices=vertices,
            operations=operations,
            wiring=wiring,
            widths=widths,
            cells_per_stage=cells_per_stage,
        )

    def _make_feature_map(self, operations: tuple[str, ...], longest: int) -> FeatureMap:
        return VectorFeatureMap(operations, longest)

    def stratum(self, architecture: Architecture) -> str:
        """Say whether a live operation is radial, and else what it has: relu, linear, or neither.

        Six strata: `radial` or `flat`, then `relu`, `linear` (no relu) or `plain`.
        """
        live = {operation for *_, operation in self._canonical(architecture)}
        shape = "radial" if any(map(is_radial, live)) else "flat"
        rest = next((operation for operation in ("relu", "linear") if operation in live), "plain")
        return f"{shape}-{rest}"

    def build(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> nn.Module:
        """Return the network (B, D) to (B, classes), of live edges only.

        Raises:
            BuildError: the cell is dead, or the shape is not (D,).
        """
        plan = CellPlan.from_text(architecture.text)
        return VectorNetwork(
            plan.canonical(), plan.widths, plan.cells_per_stage, tuple(input_shape), classes
        )

    def estimate_macs(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> int:
        """Return the exact multiply-accumulates of one sample; nothing is built."""
        plan = CellPlan.from_text(architecture.text)
        return vector_network_macs(
            plan.canonical(), plan.widths, plan.cells_per_stage, input_shape, classes
        )
