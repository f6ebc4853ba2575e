"""The surrogates that ship: a blend of models weighted by cross-validation, or one model alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture, SearchSpace
from moesaic.surrogate._base import Floats, Quality, Subset, Surrogate
from moesaic.surrogate._boosting import Boosting
from moesaic.surrogate._conformal import covered, widths
from moesaic.surrogate._encode import Encoder, ExtraFeatures, Table, subset_flags
from moesaic.surrogate._gaussian_process import GaussianProcess, GraphProcess
from moesaic.surrogate._regressor import Maker, Regressor, Standardised
from moesaic.surrogate._ridge import Ridge
from moesaic.surrogate._stack import mixed, stacking_weights
from moesaic.surrogate._trees import Trees
from moesaic.surrogate._validate import (
    LEAST_ARCHITECTURES,
    HeldOut,
    cross_validate,
    folds,
    rank_correlations,
    root_mean_square,
    scale_of,
    to_nats,
    trust,
)


def _graph_network(seed: int) -> Regressor:
    # Imported when it is asked for: nothing else here needs torch.
    from moesaic.surrogate._graph_network import GraphNetwork

    return GraphNetwork(seed)


MODELS: dict[str, Maker] = {
    "ridge": lambda seed: Ridge(),
    "trees": Trees,
    "gaussian_process": GaussianProcess,
    "graph_process": GraphProcess,
    "boosting": Boosting,
    "graph_network": _graph_network,
}


class BlendSurrogate(Surrogate):
    """Models the log loss by ridge, trees and two Gaussian processes, blended.

    Held-out predictions of all of them decide how much each counts (`stacking_weights`), say
    how good the blend is, and how wide its intervals must be. Below 8 different architectures
    it predicts the mean and is not trusted.
    """

    models: ClassVar[tuple[str, ...]] = ("ridge", "trees", "gaussian_process", "graph_process")

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        """Read features and graphs of architectures of `space`; draw folds and trees from `seed`.

        Args:
            space: what the architectures are of.
            seed: the same seed and observations give the same predictions.
        """
        super().__init__(space, seed)
        self._encoder = Encoder(space)
        self._table: Table | None = None
        self._quality: Quality | None = None

    def inform(self, extra: ExtraFeatures) -> None:
        """Append further inputs, such as zero-cost proxies; call it before `fit`."""
        self._encoder.extra = extra

    def fit(self, observations: Sequence[Observation]) -> None:
        """Cross-validate, weigh, calibrate, fit on everything (see `Surrogate.fit`)."""
        table = self._encoder.table(observations)
        self._score = np.full(table.target.shape, np.nan)
        if table.groups < LEAST_ARCHITECTURES:
            makers: dict[Maker | None, float] = {None: 1.0}
            self._quality = _unknown(table)
        else:
            weights, held = self._validate(table)
            makers = {MODELS[name]: weight for name, weight in weights.items() if weight > 0}
            self._score = held.score
        self._weights = list(makers.values())
        self._fitted = [Standardised(maker, self.seed) for maker in makers]
        for model in self._fitted:
            model.fit(table.inputs, table.target)
        self._table = table

    def _validate(self, table: Table) -> tuple[dict[str, float], HeldOut]:
        """Weigh the models by what they predict held out; write the quality of the blend."""
        fold = folds(table, self.seed)
        tried = {name: cross_validate(MODELS[name], table, fold, self.seed) for name in self.models}
        weights = stacking_weights(tried)
        mean, std = mixed([(one.mean, one.std) for one in tried.values()], list(weights.values()))
        held = HeldOut(table.target, mean, std, fold)
        spearman, kendall = rank_correlations(held)
        trusted, reason = trust(_mean(spearman), table.groups)
        scale = scale_of(held)
        known = np.isfinite(held.target)
        predicted, deviation = held.nats
        self._quality = Quality(
            model=self.models[0] if len(self.models) == 1 else "blend",
            observations=len(table.target),
            trusted=trusted,
            reason=reason,
            spearman=spearman,
            kendall=kendall,
            rmse=root_mean_square(held),
            coverage50=covered(held, 0.5),
            coverage90=covered(held, 0.9),
            scale=scale,
            measured=held.measured,
            predicted=np.where(known, predicted, np.nan),
            predicted_std=np.where(known, deviation * scale, np.nan),
            compared={name: _mean(rank_correlations(one)[0]) for name, one in tried.items()},
            weights=weights,
        )
        return weights, held

    def predict(
        self, architectures: Sequence[Architecture], subsets: Sequence[Subset] | None = None
    ) -> tuple[Floats, Floats]:
        """Return mean and calibrated standard deviation (n, M) in nats (`Surrogate.predict`)."""
        mean, std = to_nats(*self._log(architectures, subsets))
        return mean, std * self.quality.scale

    def interval(
        self,
        architectures: Sequence[Architecture],
        level: float = 0.9,
        subsets: Sequence[Subset] | None = None,
    ) -> tuple[Floats, Floats]:
        """Return the ends (n, M) in nats of conformal intervals (`Surrogate.interval`)."""
        mean, std = self._log(architectures, subsets)
        if not 0.0 < level < 1.0:
            raise InputError(f"level is {level}: give a share between 0 and 1, such as 0.9")
        width = std * widths(self._score, level)
        return np.exp(mean - width), np.exp(mean + width)

    def _log(
        self, architectures: Sequence[Architecture], subsets: Sequence[Subset] | None
    ) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (n, M) of the log loss, not calibrated."""
        if self._table is None:
            raise InputError("predict was called before fit: fit the surrogate first")
        clusters = self._table.target.shape[1]
        flags = subset_flags(subsets, len(architectures), clusters)
        if not architectures:
            return np.empty((0, clusters)), np.empty((0, clusters))
        inputs = self._encoder.inputs(architectures)
        if self._table.uses_subset:
            inputs = inputs.showing(np.hstack([inputs.features, flags]))
        return mixed([model.predict(inputs) for model in self._fitted], self._weights)

    @property
    def quality(self) -> Quality:
        """How good it was on held-out observations at the last `fit`."""
        if self._quality is None:
            raise InputError("quality was read before fit: fit the surrogate first")
        return self._quality


class RidgeSurrogate(BlendSurrogate):
    """Ridge regression only."""

    models: ClassVar[tuple[str, ...]] = ("ridge",)


class TreesSurrogate(BlendSurrogate):
    """Extremely randomised trees only."""

    models: ClassVar[tuple[str, ...]] = ("trees",)


class GaussianProcessSurrogate(BlendSurrogate):
    """Gaussian process on features only."""

    models: ClassVar[tuple[str, ...]] = ("gaussian_process",)


class GraphProcessSurrogate(BlendSurrogate):
    """Gaussian process on features and graphs only."""

    models: ClassVar[tuple[str, ...]] = ("graph_process",)


class BoostingSurrogate(BlendSurrogate):
    """Gradient boosting only."""

    models: ClassVar[tuple[str, ...]] = ("boosting",)


class GraphNetworkSurrogate(BlendSurrogate):
    """Graph network only."""

    models: ClassVar[tuple[str, ...]] = ("graph_network",)


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
