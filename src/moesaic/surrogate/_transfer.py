"""What the bank of an earlier run says about architectures; it reads no run from disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture, SearchSpace
from moesaic.surrogate._base import Floats, Quality, Subset, Surrogate
from moesaic.surrogate._encode import LEAST_LOSS, ExtraFeatures
from moesaic.surrogate._registry import get_surrogate
from moesaic.surrogate._validate import (
    HeldOut,
    rank_correlations,
    root_mean_square,
    trust,
)

LEAST_FOR_SLOPE = 4


class Prior:
    """How good an architecture would be in an earlier run: one number, the lower the better.

    A surrogate is fitted on the earlier observations; its predicted log losses are standardised
    cluster by cluster and averaged. The clusters of that run need not be those of this one.
    """

    def __init__(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        seed: int = 0,
        surrogate: str = "blend",
    ) -> None:
        """Fit.

        Args:
            space: the space of both runs.
            observations: of experts of the earlier run, comparable with each other.
            seed: of the surrogate.
            surrogate: its name.

        Raises:
            InputError: no expert among them, or one that the space cannot describe.
        """
        experts = [one for one in observations if one.trial.architecture is not None]
        for one in experts:
            _check_space(space, one.trial.architecture)
        self._surrogate = get_surrogate(surrogate, space, seed)
        self._surrogate.fit(experts)
        loss = np.stack([np.asarray(one.loss, dtype=np.float64) for one in experts])
        known = np.where(np.isfinite(loss), np.log(np.maximum(loss, LEAST_LOSS)), np.nan)
        kept = np.isfinite(known).sum(axis=0) >= 2
        self._kept = kept & (np.ptp(np.where(np.isfinite(known), known, 0.0), axis=0) > 0)
        if not self._kept.any():
            raise InputError(
                f"the earlier run has {len(experts)} observations that do not differ: "
                "transfer from a run with more"
            )
        self._centre = np.nanmean(known[:, self._kept], axis=0)
        self._spread = np.maximum(np.nanstd(known[:, self._kept], axis=0), 1e-9)
        self.observations = len(experts)

    def __call__(self, architectures: Sequence[Architecture]) -> Floats:
        """Return the mean standardised log loss (n,) that the earlier run leads to expect."""
        if not architectures:
            return np.empty(0)
        mean, _ = self._surrogate.predict(architectures)
        logs = np.log(np.maximum(mean[:, self._kept], LEAST_LOSS))
        value: Floats = ((logs - self._centre) / self._spread).mean(axis=1)
        return value


class TransferSurrogate(Surrogate):
    """A surrogate of what a prior does not explain.

    The log loss on every cluster is a straight line of the prior plus a rest, and it is the rest
    that a surrogate of the given name learns. A surrogate without the prior is fitted beside it;
    whichever ranks better on held-out architectures is used, so that an earlier run that does not
    resemble this one is dropped. `quality.model` ends in " + transfer" while the prior is used.
    The line's two numbers a cluster are fitted on all observations, held-out ones among them.
    """

    def __init__(
        self, space: SearchSpace, seed: int, prior: Prior, surrogate: str = "blend"
    ) -> None:
        """Args: space, seed: see `Surrogate`; prior: of an earlier run; surrogate: a name."""
        super().__init__(space, seed)
        self._prior = prior
        self._plain = get_surrogate(surrogate, space, seed)
        self._rest = get_surrogate(surrogate, space, seed)
        self._quality: Quality | None = None

    def inform(self, extra: ExtraFeatures) -> None:
        """Offer further inputs to both surrogates; the prior has its own."""
        self._plain.inform(extra)
        self._rest.inform(extra)

    def fit(self, observations: Sequence[Observation]) -> None:
        """Fit both and keep the one that ranks better held out (see `Surrogate.fit`)."""
        self._plain.fit(observations)
        experts = sorted(
            (one for one in observations if one.trial.architecture is not None),
            key=lambda one: one.trial.key,
        )
        prior = self._prior([one.trial.architecture for one in experts if one.trial.architecture])
        loss = np.stack([np.asarray(one.loss, dtype=np.float64) for one in experts])
        loss = np.where(np.isfinite(loss), np.maximum(loss, LEAST_LOSS), np.nan)
        self._line = fit_lines(prior, np.log(loss))
        level = self._level(prior)
        self._distinct = len({one.trial.architecture for one in experts})
        rests = [replace(one, loss=row) for one, row in zip(experts, loss / level, strict=True)]
        self._rest.fit(rests)
        informed = self._judge(self._rest.quality, level)
        plain = self._plain.quality
        ahead = np.nan_to_num(informed.mean_spearman, nan=-2.0) >= np.nan_to_num(
            plain.mean_spearman, nan=-2.0
        )
        self._informed = bool(ahead) and bool(np.any(self._line[1]))
        compared = {
            "without transfer": plain.mean_spearman,
            "with transfer": informed.mean_spearman,
        }
        self._quality = replace(informed if self._informed else plain, compared=compared)

    def predict(
        self, architectures: Sequence[Architecture], subsets: Sequence[Subset] | None = None
    ) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (n, M) in nats (`Surrogate.predict`)."""
        if self._quality is None:
            raise InputError("predict was called before fit: fit the surrogate first")
        if not self._informed:
            return self._plain.predict(architectures, subsets)
        mean, std = self._rest.predict(architectures, subsets)
        if not len(mean):
            return mean, std
        level = self._level(self._prior(architectures))
        return mean * level, std * level

    @property
    def quality(self) -> Quality:
        """How good it was on held-out observations at the last `fit`."""
        if self._quality is None:
            raise InputError("quality was read before fit: fit the surrogate first")
        return self._quality

    def _level(self, prior: Floats) -> Floats:
        """Return what the line says (n, M), in nats."""
        start, slope = self._line
        level: Floats = np.exp(start + np.outer(prior, slope))
        return level

    def _judge(self, rest: Quality, level: Floats) -> Quality:
        """Return the quality of rest and line together, from the rest's held-out predictions."""
        measured, predicted = rest.measured * level, rest.predicted * level
        std = rest.predicted_std * level
        fold = np.zeros(len(measured), dtype=np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            held = HeldOut(np.log(measured), np.log(predicted), std, fold)
        if not np.isfinite(predicted).any():
            return replace(rest, measured=measured)
        spearman, kendall = rank_correlations(held)
        known = spearman[np.isfinite(spearman)]
        trusted, reason = trust(float(known.mean()) if known.size else np.nan, self._distinct)
        return replace(
            rest,
            model=f"{rest.model} + transfer",
            trusted=trusted,
            reason=reason,
            spearman=spearman,
            kendall=kendall,
            rmse=root_mean_square(held),
            measured=measured,
            predicted=predicted,
            predicted_std=std,
        )


def fit_lines(prior: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return start and slope (M,) of the target (n, M) over the prior (n,), by least squares.

    A cluster with fewer than 4 values has slope 0, as has a falling line: an earlier run that
    says the opposite of the truth is not believed the other way round.
    """
    starts, slopes = [], []
    for column in target.T:
        known = np.isfinite(column)
        if not known.any():
            starts.append(0.0)
            slopes.append(0.0)
            continue
        here, there = prior[known], column[known]
        centred = here - here.mean()
        squares = float(centred @ centred)
        enough = known.sum() >= LEAST_FOR_SLOPE and squares > 1e-12
        slope = max(float(centred @ there) / squares, 0.0) if enough else 0.0
        slopes.append(slope)
        starts.append(float(there.mean() - slope * here.mean()))
    return np.asarray(starts), np.asarray(slopes)


def _check_space(space: SearchSpace, architecture: Architecture | None) -> None:
    if architecture is not None and architecture.space != space.name:
        raise InputError(
            f"the earlier run searched {architecture.space}, this one searches {space.name}: "
            "transfer from a run of the same space"
        )
