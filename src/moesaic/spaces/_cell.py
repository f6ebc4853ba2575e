"""One cell as a module: sums at vertices, an operation an edge; which operations is handed in."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from moesaic.errors import BuildError
from moesaic.spaces._graph import Edges, leaves


class Cell(nn.Module):
    """One cell: a sum at every vertex, the sum of the leaves as output."""

    def __init__(self, edges: Edges, width: int, build: Callable[[str, int], nn.Module]) -> None:
        """Build one module an edge.

        Args:
            edges: live edges (i, j, operation), i < j, sorted; vertex 0 is the input.
            width: channels, or numbers, of every vertex.
            build: returns the module of an operation at a width.

        Raises:
            BuildError: there is no live edge.
        """
        super().__init__()
        if not edges:
            raise BuildError("the cell has no live path from input to output: sample another one")
        self.ends = [(i, j) for i, j, _ in edges]
        self.leaves = leaves(edges)
        self.operations = nn.ModuleList(build(op, width) for _, _, op in edges)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, ...) to the same shape."""
        value = {0: x}
        for (i, j), operation in zip(self.ends, self.operations, strict=True):
            y = operation(value[i])
            value[j] = value[j] + y if j in value else y
        output = value[self.leaves[0]]
        for leaf in self.leaves[1:]:
            output = output + value[leaf]
        return output
