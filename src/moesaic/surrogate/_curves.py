"""The end of a learning curve from its beginning, for families never trained to the end."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from moesaic.errors import InputError
from moesaic.seeds import derive_seed, generator
from moesaic.surrogate._base import Floats
from moesaic.surrogate._curve_features import Curve, curve_features, expit, logit

LEAST_FAMILIES, LEAST_CURVES = 4, 12
FOLDS = 5
TREES = 100
BLEND = "blend"
NEAR = 0.01  # a single model must be this much ahead of the mean of all
Ints = NDArray[np.int64]
CurveModel = Callable[[int], Any]


@dataclass(frozen=True)
class Forecast:
    """What curves will have reached at the final epoch.

    Attributes:
        mean: (n,) shares between 0 and 1, the middle of the forecast.
        low, high: (n,) ends of the interval.
    """

    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class CurveQuality:
    """How good the extrapolation was on families that it had not seen.

    Attributes:
        model: the name of the model in use.
        curves, families: how many taught it.
        spearman: rank correlation over curves of forecast and truth, families left out.
        early: the same of the score at the early epoch alone.
        compared: the same of every model that was tried.
    """

    model: str
    curves: int
    families: int
    spearman: float
    early: float
    compared: Mapping[str, float]


def _filled() -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", keep_empty_features=True)


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    penalties = np.logspace(0, 4, 9)
    return make_pipeline(_filled(), StandardScaler(), RidgeCV(penalties))


def _trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.pipeline import make_pipeline

    forest = ExtraTreesRegressor(
        TREES, min_samples_leaf=5, max_features=0.5, random_state=seed % 2**32
    )
    return make_pipeline(_filled(), forest)


def _kernel(seed: int) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer
    from sklearn.svm import SVR

    ranks = QuantileTransformer(
        n_quantiles=100, output_distribution="normal", random_state=seed % 2**32
    )
    return make_pipeline(_filled(), ranks, SVR(C=0.5, gamma=0.03, epsilon=0.1))


CURVE_MODELS: dict[str, CurveModel] = {"ridge": _ridge, "trees": _trees, "kernel": _kernel}


class CurveExtrapolator:
    """Forecasts the score at epoch `final` from the epochs up to `early` and the settings.

    What is modelled is the logit of the final score less that of the best early one; what it
    learns from is the mean of the last tenth of the epochs up to `final`, because one epoch's
    score is noisy. Every family counts the same, however many curves it has. Ridge, extremely
    randomised trees and a support vector machine on normal scores are compared by cross-validation
    that leaves out whole families; their mean is used unless one alone has a rank correlation that
    is .01 higher. The interval is as wide as the errors were on the families left out (conformal,
    with families as the units).
    """

    def __init__(
        self,
        early: int = 5,
        final: int = 50,
        seed: int = 0,
        *,
        level: float = 0.9,
        models: Mapping[str, CurveModel] | None = None,
    ) -> None:
        """Say from where to where, and how wide.

        Args:
            early: the last epoch that is seen.
            final: the epoch that is forecast.
            seed: of folds and trees.
            level: share of the truths that the interval should hold.
            models: by name; `CURVE_MODELS` when left out. More than one: their mean is tried too.

        Raises:
            InputError: epochs out of order, or a level outside 0 to 1.
        """
        if not 1 <= early < final or not 0.0 < level < 1.0:
            raise InputError(
                f"early is {early}, final {final}, level {level}: give 1 <= early < final and "
                "a level between 0 and 1"
            )
        self.early, self.final, self.seed, self.level = early, final, seed, level
        self._models = dict(CURVE_MODELS if models is None else models)
        self._fitted: list[Any] = []
        self._quality: CurveQuality | None = None

    def fit(self, curves: Sequence[Curve]) -> CurveExtrapolator:
        """Learn from the curves that have a score at both epochs; return itself.

        Args:
            curves: others that have the early score tell where their family stands.

        Raises:
            InputError: fewer than 12 curves or 4 families to learn from.
        """
        seen = [curve for curve in curves if self.early in curve.scores]
        whole = np.asarray([self.final in curve.scores for curve in seen], dtype=bool)
        families = sorted({curve.family for curve, kept in zip(seen, whole, strict=True) if kept})
        if whole.sum() < LEAST_CURVES or len(families) < LEAST_FAMILIES:
            raise InputError(
                f"{int(whole.sum())} curves of {len(families)} families have scores at epochs "
                f"{self.early} and {self.final}: at least {LEAST_CURVES} of {LEAST_FAMILIES} "
                "families are needed"
            )
        self._settings = sorted({name for curve in seen for name in curve.settings})
        inputs, base = self._inputs(seen)
        inputs, base = inputs[whole], base[whole]
        kept = [curve for curve, is_whole in zip(seen, whole, strict=True) if is_whole]
        target = logit(np.asarray([self._end(curve) for curve in kept]))
        group = np.asarray([families.index(curve.family) for curve in kept])
        weight = 1.0 / np.bincount(group)[group]
        weight *= len(weight) / weight.sum()
        held = self._cross_validate(inputs, target - base, group, weight)
        truth = logit(np.asarray([curve.scores[self.final] for curve in kept]))
        ranks = {name: _rank(truth, base + gain) for name, gain in held.items()}
        name = max(ranks, key=lambda one: ranks[one] + (NEAR if one == BLEND else 0.0))
        self._width = weighted_quantile(
            np.abs(truth - base - held[name]), weight, self.level, len(families)
        )
        chosen = list(self._models) if name == BLEND else [name]
        self._fitted = [self._fit_one(one, inputs, target - base, weight) for one in chosen]
        early = np.asarray([curve.scores[self.early] for curve in kept])
        self._quality = CurveQuality(
            name, len(kept), len(families), ranks[name], _rank(truth, early), ranks
        )
        return self

    def predict(self, curves: Sequence[Curve]) -> Forecast:
        """Forecast the final score of every curve; nothing after the early epoch is read.

        Args:
            curves: n of them, each with a score at the early epoch. A family is judged by all
                of its curves that are given here: give them together.

        Raises:
            InputError: called before `fit`, or a curve without an early score.
        """
        if not self._fitted:
            raise InputError("predict was called before fit: fit the extrapolator first")
        lacking = [curve.family for curve in curves if self.early not in curve.scores]
        if lacking:
            raise InputError(
                f"{len(lacking)} curves have no score at epoch {self.early} (one of "
                f"{lacking[0]}): leave them out"
            )
        if not curves:
            return Forecast(np.empty(0), np.empty(0), np.empty(0))
        inputs, base = self._inputs(curves)
        mean = base + np.mean([model.predict(inputs) for model in self._fitted], axis=0)
        return Forecast(expit(mean), expit(mean - self._width), expit(mean + self._width))

    @property
    def quality(self) -> CurveQuality:
        """How good it was on families left out at the last `fit`.

        Raises:
            InputError: called before `fit`.
        """
        if self._quality is None:
            raise InputError("quality was read before fit: fit the extrapolator first")
        return self._quality

    def _end(self, curve: Curve) -> float:
        """Return the mean score of the last tenth of the epochs up to `final`."""
        first = min(max(self.early, self.final - self.final // 10) + 1, self.final)
        found = [score for at, score in curve.scores.items() if first <= at <= self.final]
        return float(np.mean(found))

    def _inputs(self, curves: Sequence[Curve]) -> tuple[Floats, Floats]:
        """Return features (n, F) and the logit of the best early score (n,)."""
        inputs = curve_features(curves, self.early, self.final, self._settings)
        return inputs, inputs[:, 0]

    def _cross_validate(
        self, inputs: Floats, gain: Floats, group: Ints, weight: Floats
    ) -> dict[str, Floats]:
        """Return every model's forecast of the gain (n,) with its family left out."""
        count = int(group.max()) + 1
        order = generator(self.seed, "curves/folds").permutation(count)
        fold = np.empty(count, dtype=np.int64)
        fold[order] = np.arange(count) % min(FOLDS, count)
        held = {name: np.empty(len(gain)) for name in self._models}
        for part in range(fold.max() + 1):
            left = fold[group] == part
            for name, found in held.items():
                model = self._fit_one(name, inputs[~left], gain[~left], weight[~left])
                found[left] = model.predict(inputs[left])
        if len(held) > 1:
            held[BLEND] = np.mean(list(held.values()), axis=0)
        return held

    def _fit_one(self, name: str, inputs: Floats, gain: Floats, weight: Floats) -> Any:
        pipeline = self._models[name](derive_seed(self.seed, f"curves/{name}"))
        last = pipeline.steps[-1][0]
        with warnings.catch_warnings():
            # Fewer curves than quantiles: as many quantiles as curves then, which is fine.
            warnings.filterwarnings("ignore", message="n_quantiles")
            return pipeline.fit(inputs, gain, **{f"{last}__sample_weight": weight})


def weighted_quantile(error: Floats, weight: Floats, level: float, units: int) -> float:
    """Return the least width that holds `level` of the errors, and a unit's share more.

    The share that is asked for grows by (units + 1) / units, as in split conformal prediction
    (Vovk et al. 2005), with families as the units.
    """
    order = np.argsort(error, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    wanted = min(level * (units + 1) / units, 1.0)
    return float(error[order][min(int(np.searchsorted(share, wanted - 1e-12)), len(order) - 1)])


def _rank(truth: Floats, forecast: Floats) -> float:
    """Return Spearman's correlation; -1 where the forecast has no order."""
    if np.ptp(forecast) == 0 or np.ptp(truth) == 0:
        return -1.0
    return float(spearmanr(truth, forecast).statistic)
