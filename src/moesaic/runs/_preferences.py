"""Which operations go with low losses on each cluster, with intervals; it chooses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from moesaic.bank import Observation
from moesaic.spaces import SearchSpace

_LEAST = 8


def operations_preferred(
    space: SearchSpace, generalists: Sequence[Observation], weight: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return for every cluster what one more edge of each operation goes with.

    Args:
        space: names the live edges of an architecture.
        generalists: trained alike on all data.
        weight: shares (M,) of the clusters.

    Returns:
        One entry a cluster: `cluster`, `preferred` (the operation with the lowest effect whose
        interval lies below zero, or None) and `operations`, each with `operation`, `effect`
        and `apart` as {mean, low, high} in nats: of the loss there, and of the loss there less
        the mean loss over all clusters, which says what this cluster likes and others do not.
        Empty below 8 architectures, or where the space has no edges to count.
    """
    rows = [one for one in generalists if one.trial.architecture is not None]
    graphs = [space.graph(o.trial.architecture) for o in rows if o.trial.architecture is not None]
    names = sorted({name for edges in graphs for _, _, name in edges})
    counts = np.array([[sum(e[2] == name for e in edges) for name in names] for edges in graphs])
    used = np.flatnonzero(weight > 0)
    if len(rows) < _LEAST or not names or not len(used):
        return []
    loss = np.stack([one.loss for one in rows])[:, used]
    whole = np.isfinite(loss).all(axis=1)
    loss, counts = loss[whole], counts[whole]
    varied = [place for place in range(len(names)) if np.ptp(counts[:, place]) > 0]
    if len(loss) < _LEAST or not varied:
        return []
    share = weight[used] / weight[used].sum()
    cells = len(varied) * len(used)
    own = slopes(counts[:, varied], loss, cells)
    apart = slopes(counts[:, varied], loss - (loss @ share)[:, None], cells)
    found = []
    for column, cluster in enumerate(used):
        operations = [
            {
                "operation": names[place],
                "effect": dict(
                    zip(("mean", "low", "high"), own[row, column].tolist(), strict=True)
                ),
                "apart": dict(
                    zip(("mean", "low", "high"), apart[row, column].tolist(), strict=True)
                ),
            }
            for row, place in enumerate(varied)
        ]
        row = int(own[:, column, 0].argmin())
        sure = own[row, column, 2] < 0
        found.append(
            {
                "cluster": int(cluster),
                "preferred": names[varied[row]] if sure else None,
                "operations": operations,
            }
        )
    return found


def slopes(counts: ArrayLike, loss: ArrayLike, cells: int) -> NDArray[np.float64]:
    """Return the least-squares slope of every loss on every count alone, with its interval.

    One operation at a time: cells have as many edges as places, so one more of an operation is
    one less of the others, and the slope is against the average of those. Student's intervals
    at 95 % for all cells together (Bonferroni).

    Args:
        counts: (n, O), none of its columns constant, n >= 3.
        loss: (n, M) nats.
        cells: how many intervals are read together.

    Returns:
        (O, M, 3): slope, low, high, in nats an edge.
    """
    x, y = np.asarray(counts, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    spread = (x**2).sum(axis=0)
    slope = (x.T @ y) / spread[:, None]
    rest = y[:, None, :] - x[:, :, None] * slope[None]
    freedom = len(x) - 2
    error = np.sqrt((rest**2).sum(axis=0) / freedom / spread[:, None])
    reach = float(student.ppf(1 - 0.025 / max(1, cells), freedom)) * error
    return np.stack([slope, slope - reach, slope + reach], axis=2)
