"""What training a candidate is expected to gain for the bank; it proposes from a given list."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from moesaic.errors import InputError
from moesaic.surrogate._base import Floats

REACH = 0.3
# A batch is chosen among so many of the highest gains; the others are scored once.
SHORT_LIST = 1024


def _checked(mean: ArrayLike, std: ArrayLike, weight: ArrayLike) -> tuple[Floats, Floats, Floats]:
    means, stds = np.asarray(mean, dtype=np.float64), np.asarray(std, dtype=np.float64)
    weights = np.asarray(weight, dtype=np.float64)
    if means.ndim != 2 or stds.shape != means.shape or weights.shape != means.shape[1:]:
        raise InputError(
            f"mean {means.shape}, std {stds.shape} and weight {weights.shape} do not fit: "
            "give (candidates, clusters) twice and one weight a cluster"
        )
    if np.any(weights < 0) or weights.sum() <= 0 or np.any(stds < 0):
        raise InputError("weights and standard deviations must not be negative, nor all weights 0")
    return means, stds, weights / weights.sum()


def expected_gain(
    mean: ArrayLike, std: ArrayLike, incumbent: ArrayLike, weight: ArrayLike
) -> Floats:
    """Return (n,) nats: sum_m n_m E[max(incumbent_m - Y_m, 0)], Y_m normal. Never negative.

    The expected improvement of the selection objective when every cluster may have its own
    expert (K = M; the paper's Problem 6). By linearity no independence is assumed.

    Args:
        mean: (n, M) predicted loss, nats.
        std: (n, M).
        incumbent: (M,) best loss in the bank on each cluster.
        weight: (M,) cluster sizes, normalised to shares.
    """
    means, stds, share = _checked(mean, std, weight)
    gap = np.asarray(incumbent, dtype=np.float64) - means
    safe = np.where(stds > 0, stds, 1.0)
    z = gap / safe
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    improvement = np.where(stds > 0, gap * ndtr(z) + safe * density, np.maximum(gap, 0.0))
    return np.asarray(np.maximum(improvement, 0.0) @ share)


def expected_selection_gain(
    mean: ArrayLike,
    std: ArrayLike,
    chosen: ArrayLike,
    weight: ArrayLike,
    rng: np.random.Generator,
    draws: int = 64,
) -> Floats:
    """Return (n,) nats: the expected gain of the best swap of a candidate into K experts.

    For every draw of the candidate's losses the routing is made anew: it replaces whichever
    of the K it helps most to replace, or none. Draws are independent between clusters and
    the same normal numbers serve all candidates, so that their order does not matter. It is
    an approximation: after training, more than one expert may be exchanged.

    Args:
        mean: (n, M) predicted loss, nats.
        std: (n, M).
        chosen: (K, M) losses of the chosen experts; infinite or NaN: may not serve.
        weight: (M,) cluster sizes, normalised to shares.
        rng: draws the normal numbers.
        draws: how many, half of them mirrored.
    """
    means, stds, share = _checked(mean, std, weight)
    rests = _rests(chosen, share)
    current = float(rests[-1].sum())
    half = rng.standard_normal(((draws + 1) // 2, means.shape[1]))
    total = np.zeros(len(means))
    for normal in np.concatenate([half, -half]):
        losses = np.maximum(means + stds * normal, 0.0) * share
        best = np.full(len(means), np.inf)
        for rest in rests[:-1]:
            best = np.minimum(best, np.minimum(losses, rest).sum(axis=1))
        total += np.maximum(current - best, 0.0)
    return total / (2 * len(half))


def _rests(chosen: ArrayLike, share: Floats) -> list[Floats]:
    """Return what each cluster costs (M,) without each of the K experts, then with all."""
    losses = np.asarray(chosen, dtype=np.float64)
    if losses.ndim != 2 or losses.shape[1:] != share.shape or not len(losses):
        raise InputError(f"chosen has shape {losses.shape}: give (K, {len(share)}) losses, K >= 1")
    used = share > 0
    cost = np.where(np.isfinite(losses), losses, np.inf)
    cost = np.where(used, np.where(used, cost, 0.0) * np.where(used, share, 1.0), 0.0)
    if not np.all(np.isfinite(cost.min(axis=0))):
        raise InputError("the chosen experts leave a cluster unserved: choose ones that cover all")
    rests = [
        np.delete(cost, place, axis=0).min(axis=0, initial=np.inf) for place in range(len(cost))
    ]
    return [*rests, cost.min(axis=0)]


class Acquisition(ABC):
    """The gain of a candidate over what is known, and what is known once it is believed in."""

    @abstractmethod
    def gain(self, mean: Floats, std: Floats) -> Floats:
        """Return the expected gain (n,) of candidates predicted as (n, M)."""

    @abstractmethod
    def believing(self, loss: Floats) -> Acquisition:
        """Return the acquisition as if an expert with this loss (M,) were in the bank."""


class ClusterGain(Acquisition):
    """`expected_gain`: every cluster may have its own expert."""

    def __init__(self, incumbent: Floats, weight: Floats) -> None:
        """Args: incumbent: (M,) best losses; weight: (M,) cluster sizes."""
        self._incumbent, self._weight = incumbent, weight

    def gain(self, mean: Floats, std: Floats) -> Floats:
        """Return the expected gain (n,)."""
        return expected_gain(mean, std, self._incumbent, self._weight)

    def believing(self, loss: Floats) -> ClusterGain:
        """Return it with the loss as a new incumbent where it is lower."""
        return ClusterGain(np.minimum(self._incumbent, loss), self._weight)


class SelectionGain(Acquisition):
    """`expected_selection_gain`: K experts share the clusters."""

    def __init__(self, chosen: Floats, weight: Floats, seed: int, draws: int = 64) -> None:
        """Args: chosen: (K, M) losses; weight: (M,) cluster sizes; seed: of the draws."""
        self._chosen, self._weight, self._seed, self._draws = chosen, weight, seed, draws

    def gain(self, mean: Floats, std: Floats) -> Floats:
        """Return the expected gain (n,)."""
        rng = np.random.default_rng(self._seed)
        return expected_selection_gain(mean, std, self._chosen, self._weight, rng, self._draws)

    def believing(self, loss: Floats) -> SelectionGain:
        """Return it after the best swap of that expert into the K, if any helps."""
        share = self._weight / self._weight.sum()
        rests = _rests(self._chosen, share)
        swapped = [float(np.minimum(rest, loss * share).sum()) for rest in rests[:-1]]
        place = int(np.argmin(swapped))
        if swapped[place] >= float(rests[-1].sum()):
            return self
        chosen = self._chosen.copy()
        chosen[place] = loss
        return SelectionGain(chosen, self._weight, self._seed, self._draws)


def propose_batch(
    acquisition: Acquisition,
    mean: Floats,
    std: Floats,
    count: int,
    *,
    seconds: Floats | None = None,
    features: Floats | None = None,
) -> list[tuple[int, float]]:
    """Choose up to `count` candidates one after the other, believing the mean of each.

    Args:
        acquisition: the gain over what the bank has.
        mean: (n, M) predicted loss of the candidates, nats.
        std: (n, M).
        count: how many to choose; all when there are fewer.
        seconds: (n,) what training each takes; where given, the gain per second decides.
        features: (n, F), standardised; where given, a choice also takes away doubt about what is
            like it (`left_doubt`), so that a batch does not ask the same question twice.

    Returns:
        (row, expected gain at its turn); equal gains: the lower predicted sum, then the row.

    Raises:
        InputError: seconds that are not positive.
    """
    price = np.ones(len(mean)) if seconds is None else np.asarray(seconds, dtype=np.float64)
    if not np.all(price > 0):
        raise InputError("a training was said to take no time: give positive seconds or none")
    total = mean.sum(axis=1)
    first = acquisition.gain(mean, std) / price
    rows = np.sort(np.lexsort((total, -first))[: max(SHORT_LIST, count)])
    mean, std, price, total = mean[rows], std[rows], price[rows], total[rows]
    free = np.ones(len(rows), dtype=bool)
    chosen: list[tuple[int, float]] = []
    for _ in range(min(count, len(rows))):
        gain = acquisition.gain(mean, std)
        place = int(np.lexsort((total, -np.where(free, gain / price, -np.inf)))[0])
        chosen.append((int(rows[place]), float(gain[place])))
        free[place] = False
        acquisition = acquisition.believing(mean[place])
        if features is not None:
            std = std * left_doubt(features[rows], features[rows[place]])[:, None]
    return chosen


def left_doubt(features: Floats, other: Floats) -> Floats:
    """Return the factor (n,), 0 .. 1, on standard deviations once another one is measured.

    It is that of a Gaussian process which knows the other one alone, sqrt(1 - r^2). The
    correlation r is a Gaussian of the distance, 1 / e at `REACH` times the root mean square
    distance of two candidates.

    Args:
        features: (n, F), standardised over the candidates.
        other: (F,), of the one that is measured.
    """
    usual = 2.0 * max(features.shape[1], 1)
    distance = np.square(features - other).sum(axis=1) / usual
    left: Floats = np.sqrt(-np.expm1(-2.0 * distance / REACH**2))
    return left
