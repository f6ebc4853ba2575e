"""How well surrogates rank cells they have not seen, on a table of all of them; searches nothing.

No training-free proxy is used: the two features that count multiply-accumulates are left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.runs._evidence import mean_interval
from moesaic.seeds import generator
from moesaic.spaces import Architecture, SearchSpace, get_space
from moesaic.surrogate import ClusterGain, Surrogate, get_surrogate, propose_batch

SIZES = (25, 50, 100, 200, 400)
MODELS = ("blend", "ridge", "trees", "gaussian_process", "boosting", "graph_network")
JUDGED_ON = 3000
_PROXIES = ("log cell cost", "log MACs")


class StructuralSpace:
    """A space of cells whose features leave out what a cell costs; it remembers the rest."""

    def __init__(self, space: Any, keep_cost: bool = False) -> None:
        """Args: space: a space of cells; keep_cost: leave nothing out, for comparison."""
        self._space = space
        self._kept = [
            place
            for place, name in enumerate(space.feature_names)
            if keep_cost or name not in _PROXIES
        ]
        self._features: dict[str, np.ndarray] = {}
        self._graphs: dict[str, list[tuple[int, int, str]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def features(self, architecture: Architecture) -> np.ndarray:
        """Return the features (F,) without cost."""
        if architecture.key not in self._features:
            self._features[architecture.key] = self._space.features(architecture)[self._kept]
        return self._features[architecture.key]

    def graph(self, architecture: Architecture) -> list[tuple[int, int, str]]:
        """Return its live edges."""
        if architecture.key not in self._graphs:
            self._graphs[architecture.key] = self._space.graph(architecture)
        return self._graphs[architecture.key]


def kendall(
    cells: Sequence[Architecture],
    loss: np.ndarray,
    draws: int,
    sizes: Sequence[int] = SIZES,
    models: Sequence[str] | None = None,
    seed0: int = 0,
    space: Any = None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Return Kendall's tau on unseen cells, mean over clusters and draws of training cells.

    Args:
        cells: N architectures of one space of cells; isomorphic ones share a key.
        loss: (N, M) nats.
        draws: how many sets of training cells are drawn a size.
        sizes: how many cells are learned from; those that leave fewer than 50 are left out.
        models: names of surrogates; None: the default, `blend`.
        seed0: the draws are of the seeds seed0, seed0 + 1, ...
        space: a `StructuralSpace`; None: that of the cells.

    Returns:
        {model: {"25": {"mean", "low", "high"}, ...}}, the 95 % interval of the mean.
    """
    space = _space(cells) if space is None else space
    told: dict[str, dict[str, dict[str, float]]] = {}
    for name in models or ("blend",):
        told[name] = {}
        for size in sizes:
            if len(cells) < size + 50:
                continue
            values = []
            for seed in range(seed0, seed0 + draws):
                surrogate, unseen = _fitted(name, space, cells, loss, size, seed)
                mean = surrogate.predict([cells[row] for row in unseen])[0]
                values.append(mean_tau(mean, loss[unseen]))
            told[name][str(size)] = mean_interval(np.asarray(values))._asdict()
    return told


def compare(
    cells: Sequence[Architecture],
    loss: np.ndarray,
    draws: int,
    sizes: Sequence[int] = SIZES,
    models: Sequence[str] = MODELS,
    seed0: int = 0,
) -> dict[str, Any]:
    """Return {"sizes", "models": {name: {"mean", "low", "high"}}}, lists ready for a figure."""
    told = kendall(cells, loss, draws, sizes, models, seed0)
    used = [size for size in sizes if str(size) in told[models[0]]]
    return {
        "sizes": used,
        "models": {
            name: {key: [rows[str(size)][key] for size in used] for key in ("mean", "low", "high")}
            for name, rows in told.items()
        },
    }


def coverage90(
    cells: Sequence[Architecture],
    loss: np.ndarray,
    size: int = 200,
    draws: int = 10,
    seed0: int = 0,
    model: str = "blend",
) -> np.ndarray:
    """Return the share (M,) of unseen cells' losses inside their conformal 90 % interval."""
    space = _space(cells)
    size = min(size, len(cells) // 2)
    shares = []
    for seed in range(seed0, seed0 + draws):
        surrogate, unseen = _fitted(model, space, cells, loss, size, seed)
        low, high = surrogate.interval([cells[row] for row in unseen], 0.9)
        shares.append(np.mean((low <= loss[unseen]) & (loss[unseen] <= high), axis=0))
    return np.mean(shares, axis=0)


def fit_cost(
    cells: Sequence[Architecture],
    loss: np.ndarray,
    sizes: Sequence[int] = (25, 50, 100, 200, 400, 1000),
    seed0: int = 0,
    batch: int = 8,
    model: str = "blend",
) -> list[dict[str, float]]:
    """Return what a fit and a proposal of `batch` out of all cells take, in CPU seconds.

    Features are remembered beforehand, as they are in a search after its first proposal.

    Returns:
        {"observations", "fit_seconds", "propose_seconds"} a size that the table has.
    """
    space = _space(cells)
    rows = []
    for size in (size for size in sizes if size <= len(cells)):
        train, _ = _draw(cells, size, seed0)
        surrogate = get_surrogate(model, space, seed0)
        observations = as_observations(cells, loss, train)
        surrogate.fit(observations[: min(9, size)])
        surrogate.predict(cells)
        started = time.process_time()
        surrogate.fit(observations)
        fitted = time.process_time()
        mean, std = surrogate.predict(cells)
        gain = ClusterGain(loss[train].min(axis=0), np.ones(loss.shape[1]))
        propose_batch(gain, mean, std, batch)
        proposed = time.process_time()
        rows.append(
            {
                "observations": size,
                "fit_seconds": fitted - started,
                "propose_seconds": proposed - fitted,
            }
        )
    return rows


def _space(cells: Sequence[Architecture]) -> Any:
    if not cells:
        raise InputError("there are no cells: give a table with rows")
    return StructuralSpace(get_space(cells[0].space))


def _draw(cells: Sequence[Architecture], size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `size` rows to learn from, and up to 3,000 whose cells are not among them."""
    rng = generator(seed, "nasbench/tau", size)
    order = rng.permutation(len(cells))
    seen = {cells[row].key for row in order[:size]}
    unseen = [row for row in order[size:] if cells[row].key not in seen]
    return order[:size], np.asarray(unseen[:JUDGED_ON], dtype=int)


def _fitted(
    name: str,
    space: SearchSpace,
    cells: Sequence[Architecture],
    loss: np.ndarray,
    size: int,
    seed: int,
) -> tuple[Surrogate, np.ndarray]:
    train, unseen = _draw(cells, size, seed)
    surrogate = get_surrogate(name, space, seed)
    surrogate.fit(as_observations(cells, loss, train))
    return surrogate, unseen


def as_observations(
    cells: Sequence[Architecture], loss: np.ndarray, rows: np.ndarray
) -> list[Observation]:
    return [
        Observation(
            Trial("expert", "table", place, 0, cells[row]), loss[row], np.exp(-loss[row]), 1, 1, 1.0
        )
        for place, row in enumerate(rows)
    ]


def mean_tau(predicted: np.ndarray, measured: np.ndarray) -> float:
    """Return the mean over clusters; predictions without any order count as 0."""
    values = [
        kendalltau(predicted[:, cluster], measured[:, cluster]).statistic
        for cluster in range(measured.shape[1])
    ]
    return float(np.mean(np.nan_to_num(values)))
