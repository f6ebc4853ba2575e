"""The network a vector cell is repeated in: stem, stages, head; it does not choose cells."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from moesaic.errors import BuildError
from moesaic.spaces._cell import Cell
from moesaic.spaces._graph import Edges
from moesaic.spaces._vector_operations import affine, build_vector_operation, macs_per_sample

_NOISE = 0.1


def check_vectors(input_shape: tuple[int, ...]) -> int:
    """Return D, the length of the vectors.

    Raises:
        BuildError: the shape is not (D,).
    """
    if len(input_shape) == 1 and input_shape[0] >= 1:
        return int(input_shape[0])
    image = len(input_shape) == 3
    mend = "choose --space nasbench201" if image else "give vectors of one number or more"
    raise BuildError(
        f"a vector cell network takes vectors (D,), got input shape {input_shape}: {mend}"
    )


def vector_network_macs(
    edges: Edges,
    widths: tuple[int, ...],
    cells_per_stage: int,
    input_shape: tuple[int, ...],
    classes: int,
) -> int:
    """Return the multiply-accumulates of one sample through `VectorNetwork`, without building it.

    Raises:
        BuildError: as `check_vectors`.
    """
    ends = check_vectors(input_shape) * widths[0] + widths[-1] * classes
    cells = sum(macs_per_sample(operation, width) for *_, operation in edges for width in widths)
    between = sum(before * after for before, after in itertools.pairwise(widths))
    return ends + cells_per_stage * cells + between


class VectorNetwork(nn.Module):
    """An affine map to the width of every stage, equal cells in it, a linear head.

    Batch normalisation stands before every cell, so that each sees standardised inputs, which is
    what radial operations start from and what keeps squares of squares finite; and before the head.
    """

    def __init__(
        self,
        edges: Edges,
        widths: tuple[int, ...],
        cells_per_stage: int,
        input_shape: tuple[int, ...],
        classes: int,
    ) -> None:
        """Build the network.

        Args:
            edges: the cell's live edges, sorted.
            widths: width of the vertices, one a stage.
            cells_per_stage: how often the cell is repeated in a stage.
            input_shape: (D,).
            classes: number of logits.

        Raises:
            BuildError: the cell is dead or the shape is not that of a vector.
        """
        super().__init__()
        self.stem = _stem(check_vectors(input_shape), widths[0])
        stages: list[nn.Module] = []
        for stage, width in enumerate(widths):
            if stage > 0:
                stages.append(affine(widths[stage - 1], width))
            for _ in range(cells_per_stage):
                stages.append(nn.BatchNorm1d(width))
                stages.append(Cell(edges, width, build_vector_operation))
        self.stages = nn.Sequential(*stages)
        self.last = nn.BatchNorm1d(widths[-1])
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map vectors (B, D) to logits (B, classes)."""
        logits: Tensor = self.classifier(self.last(self.stages(self.stem(x))))
        return logits


def _stem(inputs: int, width: int) -> nn.Linear:
    """Return an affine map that keeps the geometry of the inputs at the start.

    Where they fit, the inputs themselves and, in what is left of the width, small random
    mixtures of them; else a random orthogonal projection.
    """
    layer = nn.Linear(inputs, width)
    nn.init.zeros_(layer.bias)
    if inputs > width:
        nn.init.orthogonal_(layer.weight)
    else:
        nn.init.normal_(layer.weight, std=_NOISE * inputs**-0.5)
        with torch.no_grad():
            layer.weight += torch.eye(width, inputs, device=layer.weight.device)
    return layer
