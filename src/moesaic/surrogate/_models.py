"""The surrogates that ship: one model each, and the default that chooses by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture, SearchSpace
from moesaic.surrogate._base import Floats, Quality, Subset, Surrogate
from moesaic.surrogate._encode import Encoder, ExtraFeatures, Table, subset_flags
from moesaic.surrogate._gaussian_process import GaussianProcess
from moesaic.surrogate._regressor import Maker, Standardised
from moesaic.surrogate._ridge import Ridge
from moesaic.surrogate._trees import Trees
from moesaic.surrogate._validate import (
    LEAST_ARCHITECTURES,
    MEDIAN_Z,
    NINETY_Z,
    HeldOut,
    coverage,
    cross_validate,
    folds,
    rank_correlations,
    root_mean_square,
    scale_of,
    to_nats,
    trust,
)

MODELS: dict[str, Maker] = {
    "ridge": lambda seed: Ridge(),
    "trees": Trees,
    "gaussian_process": GaussianProcess,
}


class ChosenSurrogate(Surrogate):
    """Models the log loss by whichever of ridge, trees and Gaussian process ranks best held out.

    Highest mean Spearman over clusters wins; within .01 the lower error does. Its standard
    deviations are rescaled so that held-out values fall into its intervals as often as they
    should. Below 8 different architectures it predicts the mean and is not trusted.
    """

    models: ClassVar[Mapping[str, Maker]] = MODELS

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        """Read architectures through `space.features`; draw folds and trees from `seed`."""
        super().__init__(space, seed)
        self._encoder = Encoder(space)
        self._table: Table | None = None
        self._quality: Quality | None = None

    def inform(self, extra: ExtraFeatures) -> None:
        """Append further inputs, such as zero-cost proxies; call it before `fit`."""
        self._encoder.extra = extra

    def fit(self, observations: Sequence[Observation]) -> None:
        """Cross-validate, choose, calibrate, fit on everything (see `Surrogate.fit`)."""
        table = self._encoder.table(observations)
        if table.groups < LEAST_ARCHITECTURES:
            maker, quality = None, _unknown(table)
        else:
            maker, quality = self._choose(table)
        self._model = Standardised(maker, self.seed)
        self._model.fit(table.inputs, table.target)
        self._table, self._quality = table, quality

    def _choose(self, table: Table) -> tuple[Maker, Quality]:
        fold = folds(table, self.seed)
        tried: list[tuple[float, float, str, HeldOut, Floats, Floats]] = []
        for name, make in self.models.items():
            held = cross_validate(make, table, fold, self.seed)
            spearman, kendall = rank_correlations(held)
            rank = _mean(spearman)
            error = _mean(root_mean_square(held))
            tried.append((rank, error, name, held, spearman, kendall))
        # Nothing ranks below a model whose correlation is not even defined.
        best = min(tried, key=lambda one: (-round(np.nan_to_num(one[0], nan=-2.0), 2), one[1]))
        rank, _, name, held, spearman, kendall = best
        trusted, reason = trust(rank, table.groups)
        scale = scale_of(held.score)
        known = np.isfinite(held.measured)
        return self.models[name], Quality(
            model=name,
            observations=len(table.target),
            trusted=trusted,
            reason=reason,
            spearman=spearman,
            kendall=kendall,
            rmse=root_mean_square(held),
            coverage50=coverage(held, MEDIAN_Z),
            coverage90=coverage(held, NINETY_Z),
            scale=scale,
            measured=held.measured,
            predicted=np.where(known, held.mean, np.nan),
            predicted_std=np.where(known, held.std * scale, np.nan),
            compared={one[2]: one[0] for one in tried},
        )

    def predict(
        self, architectures: Sequence[Architecture], subsets: Sequence[Subset] | None = None
    ) -> tuple[Floats, Floats]:
        """Return mean and calibrated standard deviation (n, M) in nats (`Surrogate.predict`)."""
        if self._table is None:
            raise InputError("predict was called before fit: fit the surrogate first")
        clusters = self._table.target.shape[1]
        flags = subset_flags(subsets, len(architectures), clusters)
        if not architectures:
            return np.empty((0, clusters)), np.empty((0, clusters))
        inputs = self._encoder.features(architectures)
        if self._table.uses_subset:
            inputs = np.hstack([inputs, flags])
        mean, std = to_nats(*self._model.predict(inputs))
        return mean, std * self.quality.scale

    @property
    def quality(self) -> Quality:
        """How good it was on held-out observations at the last `fit`."""
        if self._quality is None:
            raise InputError("quality was read before fit: fit the surrogate first")
        return self._quality


class RidgeSurrogate(ChosenSurrogate):
    """Ridge regression only."""

    models: ClassVar[Mapping[str, Maker]] = {"ridge": MODELS["ridge"]}


class TreesSurrogate(ChosenSurrogate):
    """Extremely randomised trees only."""

    models: ClassVar[Mapping[str, Maker]] = {"trees": MODELS["trees"]}


class GaussianProcessSurrogate(ChosenSurrogate):
    """Gaussian process only."""

    models: ClassVar[Mapping[str, Maker]] = {"gaussian_process": MODELS["gaussian_process"]}


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _unknown(table: Table) -> Quality:
    """Return the quality of a surrogate that had too little to be validated on."""
    trusted, reason = trust(float("nan"), table.groups)
    nothing = np.full(table.target.shape[1], np.nan)
    empty = np.full(table.target.shape, np.nan)
    return Quality(
        model="constant",
        observations=len(table.target),
        trusted=trusted,
        reason=reason,
        spearman=nothing,
        kendall=nothing,
        rmse=nothing,
        coverage50=nothing,
        coverage90=nothing,
        scale=np.ones(table.target.shape[1]),
        measured=np.exp(table.target),
        predicted=empty,
        predicted_std=empty,
    )
