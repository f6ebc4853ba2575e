"""What a gate does with a split, in numbers: who is used, how much, and where; it runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError

DEAD_BELOW = 0.01  # share of the samples
COUNTED_FROM = 0.01  # the least weight that counts as use


@dataclass(frozen=True)
class RouterMetrics:
    """How a gate distributes N samples over K experts.

    Attributes:
        utilisation: (K,), share of the samples whose first choice is k; adds up to 1.
        dead: experts that are dead: fewer than `DEAD_BELOW` (1 %) of the samples run them with a
            weight of `COUNTED_FROM` (.01) or more.
        effective: exp of the entropy of the mean weights, 1 (one expert has all the weight) to K.
        entropy: mean entropy of a sample's weights in nats, 0 (decided) to log K.
        table: (M, K), mean weights in every cluster; rows add up to 1, NaN for an empty cluster.
    """

    utilisation: NDArray[np.float64]
    dead: tuple[int, ...]
    effective: float
    entropy: float
    table: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form; the row of an empty cluster is None."""
        return {
            "utilisation": self.utilisation.tolist(),
            "dead": list(self.dead),
            "dead_below": DEAD_BELOW,
            "effective": self.effective,
            "entropy": self.entropy,
            "table": [None if np.isnan(row).any() else row.tolist() for row in self.table],
        }


def router_metrics(
    weights: NDArray[np.floating[Any]],
    chosen: NDArray[np.int64],
    clusters: NDArray[np.int64],
    count: int,
) -> RouterMetrics:
    """Measure a gate on a split.

    Args:
        weights: the gate's weights (N, K), rows adding up to 1. The softmax over all experts says
            most; that over `top_k` = 1 alone has no entropy.
        chosen: (N, top_k), the experts that run on every sample, the first choice first.
        clusters: (N,), the cluster of every sample.
        count: M, the number of clusters.

    Raises:
        InputError: no samples, lengths that differ, or rows that are not shares.
    """
    shares = np.asarray(weights, dtype=np.float64)
    samples, experts = shares.shape
    if samples == 0 or not samples == len(chosen) == len(clusters):
        raise InputError(
            f"{samples} rows of weights, {len(chosen)} of choices, {len(clusters)} clusters: "
            "give the same number of each, at least one"
        )
    if not (shares >= 0).all() or not np.allclose(shares.sum(axis=1), 1, atol=1e-3):
        raise InputError("the gate's weights are not shares: give rows >= 0 that add up to 1")
    shares = shares / shares.sum(axis=1, keepdims=True)
    runs = np.zeros(shares.shape, dtype=bool)
    runs[np.arange(samples)[:, None], chosen] = True
    used = (runs & (shares >= COUNTED_FROM)).mean(axis=0)
    sums = np.zeros((count, experts))
    np.add.at(sums, clusters, shares)
    sizes = np.bincount(clusters, minlength=count).astype(np.float64)[:, None]
    return RouterMetrics(
        utilisation=np.bincount(chosen[:, 0], minlength=experts) / samples,
        dead=tuple(int(expert) for expert in np.flatnonzero(used < DEAD_BELOW)),
        effective=float(np.exp(_entropy(shares.mean(axis=0)))),
        entropy=float(_entropy(shares).mean()),
        table=np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0),
    )


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy in nats along the last axis; 0 log 0 is 0."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy: NDArray[np.float64] = -(shares * logs).sum(axis=-1)
    return np.maximum(entropy, 0.0)
