"""Scores of subsets as one arithmetic: combine rows, sum, mix the sums; who is chosen is not here.

Shapes: E experts, N samples, M clusters, S subsets, V parts of the columns, D views of `Halves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.selection.subsets._halves import Halves

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
_CHUNK = 1 << 18  # floats that are combined at a time: they stay in the cache
_LEAST = np.float32(1e-30)  # a probability whose logarithm is still finite


@dataclass(frozen=True)
class Table:
    """What is combined to score a subset, the lower the better.

    A subset's value in view d is `sum_v mix[v, d] * f(sum over the columns of part v) + constant`,
    where a column is the least (`minimum`) or the sum (`add`) of the members' entries, and its
    logarithm where `logarithm` is set.

    Attributes:
        parts: V arrays (E, n_v), contiguous.
        minimum: whether columns are the least entry, else the sum.
        logarithm: whether columns are passed through the logarithm.
        mix: (V, D).
        constant: added to every value.
    """

    parts: tuple[Singles, ...]
    minimum: bool
    logarithm: bool
    mix: Doubles
    constant: float = 0.0

    @property
    def width(self) -> int:
        """Columns of all parts together."""
        return sum(part.shape[1] for part in self.parts)

    def join(self, first: Singles, second: Singles) -> Singles:
        """Return the columns of two sets of members together; shapes broadcast."""
        found: Singles = np.minimum(first, second) if self.minimum else first + second
        return found

    def of(self, members: Sequence[int]) -> list[Singles] | None:
        """Return the columns (n_v,) of a set of members, part by part; None of the empty set."""
        if not members:
            return None
        combine = np.minimum if self.minimum else np.add
        return [combine.reduce(part[list(members)], axis=0) for part in self.parts]

    def sums(
        self,
        base: Sequence[Singles] | None,
        rows: Sequence[Singles],
        only: NDArray[np.int64] | None = None,
    ) -> Doubles:
        """Return the sums (S, V) of `base` joined by each row.

        Args:
            base: columns of the members that all S subsets share, None without one.
            rows: V arrays (R, n_v), what each subset has of its own.
            only: S of the R rows, all of them when None.
        """
        count = len(rows[0]) if only is None else len(only)
        found = np.empty((count, len(rows)), dtype=np.float64)
        for number, part in enumerate(rows):
            size = max(1, _CHUNK // max(1, part.shape[1]))
            for start in range(0, count, size):
                stop = min(start + size, count)
                block = part[start:stop] if only is None else part[only[start:stop]]
                if base is not None:
                    block = self.join(block, base[number])
                if self.logarithm:
                    block = np.log(np.maximum(block, _LEAST))
                found[start:stop, number] = block.sum(axis=1)
        return found

    def values(self, sums: Doubles) -> Doubles:
        """Return the values (S, D) in every view."""
        found: Doubles = sums @ self.mix + self.constant
        return found

    def evaluate(self, subsets: NDArray[np.int64]) -> Doubles:
        """Return the values (S, D) of any subsets (S, K)."""
        found = np.empty((len(subsets), len(self.parts)), dtype=np.float64)
        for row, members in enumerate(subsets.tolist()):
            columns = self.of(members)
            found[row] = self.sums(None, [c[None] for c in columns or []])[0]
        return self.values(found)


def _parts(values: Singles, halves: Halves) -> tuple[Singles, ...]:
    """Return the columns of every block, contiguous."""
    return tuple(
        np.ascontiguousarray(values[:, halves.block == block]) for block in range(halves.blocks)
    )


def oracle_table(loss: Singles, halves: Halves) -> Table:
    """Mean over samples of the least loss among the members (k-median at the level of samples)."""
    return Table(_parts(loss, halves), True, False, halves.means())


def ensemble_table(loss: Singles, halves: Halves, experts: int) -> Table:
    """Mean negative logarithm of the members' averaged probability of the true class, nats."""
    probability = np.exp(-loss)
    return Table(_parts(probability, halves), False, True, -halves.means(), float(np.log(experts)))


def mean_table(right: NDArray[np.bool_], halves: Halves, experts: int) -> Table:
    """Mean accuracy of the members, negated; its columns are sums over blocks already."""
    sums = [right[:, halves.block == block].sum(axis=1) for block in range(halves.blocks)]
    parts = tuple(part[:, None].astype(np.float32) for part in sums)
    return Table(parts, False, False, -halves.means() / experts)


def gate_table(held_out: Singles, halves: Halves) -> Table:
    """Mean of losses (S, N) that were computed before; a member is a whole subset here."""
    return Table(_parts(held_out, halves), False, False, halves.means())


def cluster_losses(
    loss: Singles, cluster: NDArray[np.int64], share: Doubles, halves: Halves
) -> tuple[Doubles, Doubles]:
    """Return the loss of every cluster in every view (D, E, M), and the shares (D, M).

    A cluster without a sample in a view has share 0 there and loss 0.
    """
    onehot = np.eye(len(share))[cluster]
    losses = np.zeros((halves.views, len(loss), len(share)))
    shares = np.zeros((halves.views, len(share)))
    for view in range(halves.views):
        chosen = halves.samples(view)
        count = onehot[chosen].sum(axis=0)
        losses[view] = (loss[:, chosen] @ onehot[chosen]) / np.maximum(count, 1.0)
        shares[view] = np.where(count > 0, share, 0.0)
    return losses, shares / shares.sum(axis=1, keepdims=True)


def cluster_table(losses: Doubles, shares: Doubles) -> Table:
    """sum_m n_m min_k L[k, m], every view by its own losses."""
    weighted = (losses * shares[:, None, :]).astype(np.float32)
    return Table(tuple(np.ascontiguousarray(w) for w in weighted), True, False, np.eye(len(shares)))
