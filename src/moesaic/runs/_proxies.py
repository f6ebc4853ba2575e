"""Zero-cost proxies of a search's candidates, on each cluster's own data, as surrogate inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from moesaic.runs._context import load_context, load_partition
from moesaic.runs._session import SearchSession
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, SearchSpace
from moesaic.training import measure_proxies

BATCH = 32


class ClusterProxies:
    """Measures every architecture once and remembers it; to be given as `extra` to a strategy.

    Batches come from the training split, 32 samples of each cluster, and do not change during
    a run; a resumed run measures the same numbers again.
    """

    def __init__(self, session: SearchSession, space: SearchSpace) -> None:
        """Draw the batches of the run; its partition must be on disk."""
        path = str(session.folder.path)
        context, partition = load_context(path), load_partition(path)
        self._space, self._names = space, session.config.proxies
        self._classes, self._seed = context.classes, derive_seed(session.config.seed, "proxies")
        train = context.dataset.train
        self._batches = []
        for cluster in range(partition.count):
            rows = np.flatnonzero(partition.train == cluster)
            rng = generator(session.config.seed, "proxies/batch", cluster)
            chosen = torch.from_numpy(np.sort(rng.permutation(rows)[:BATCH]))
            self._batches.append((context.normaliser(train.inputs[chosen]), train.labels[chosen]))
        self._known: dict[str, NDArray[np.float64]] = {}

    def __call__(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return (n, M * P), NaN where a proxy is not defined."""
        fresh = [one for one in architectures if one.key not in self._known]
        found = measure_proxies(
            self._space, fresh, self._batches, self._classes, self._names, self._seed
        )
        for one, row in zip(fresh, found, strict=True):
            self._known[one.key] = row.ravel()
        width = len(self._batches) * len(self._names)
        rows = [self._known[one.key] for one in architectures]
        return np.stack(rows) if rows else np.empty((0, width))
