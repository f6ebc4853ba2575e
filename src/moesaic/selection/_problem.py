"""The weighted k-median problem, checked and in canonical order; it does not solve it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import InputError

Floats = NDArray[np.float64]
SLACK = 1e-6  # to which limits are met: the feasibility tolerance of the mixed-integer solver


@dataclass(frozen=True)
class Limits:
    """What a choice of experts must obey, to one millionth; None or empty means no limit.

    Attributes:
        max_macs: highest expected multiply-accumulates for one sample, weighted by use.
        max_parameters: highest sum of the parameters of all chosen experts.
        min_share: least share of the data, in 0 .. 1, every chosen expert must get.
        must_have: experts (rows of the loss matrix) that must be chosen.
        must_not: experts that may not be chosen.
    """

    max_macs: float | None = None
    max_parameters: float | None = None
    min_share: float = 0.0
    must_have: tuple[int, ...] = ()
    must_not: tuple[int, ...] = ()


@dataclass(frozen=True)
class Selection:
    """K chosen experts and who serves which cluster.

    Attributes:
        chosen: rows of the loss matrix, ascending, K of them.
        routing: (M, K), one-hot rows; column k is `chosen[k]`.
        objective: weighted mean loss, in its own unit, plus price times expected MACs.
        proven_optimal: whether no other choice can be better (to about 1e-9 of the range).
        bound: no choice has an objective below it.
    """

    chosen: tuple[int, ...]
    routing: Floats
    objective: float
    proven_optimal: bool
    bound: float

    @property
    def assignment(self) -> NDArray[np.int64]:
        """Row of the loss matrix that serves each cluster, int64 (M,)."""
        return np.array([self.chosen[column] for column in self.routing.argmax(axis=1)])


@dataclass(frozen=True)
class Plan:
    """A solution in the positions of a `Problem`: the chosen ones, who serves, what it costs."""

    positions: tuple[int, ...]
    assignment: NDArray[np.int64]
    objective: float


@dataclass(frozen=True)
class Problem:
    """Checked input: forbidden experts and weightless clusters dropped, better experts first.

    The order of the rows (cost of serving everything alone, then index) is the order in
    which ties are broken: of two equal choices the one with earlier rows wins.

    Attributes:
        cost: (E, M) share * (loss + price * MACs); infinite where the expert may not serve.
        share: (M,) shares of the clusters, summing to 1, all positive.
        experts: K.
        macs, parameters: (E,), zero where nobody asked.
        limits: only `max_macs`, `max_parameters` and `min_share` are read from here on.
        forced: positions that must be chosen.
        rows: (E,) rows of the original loss matrix.
    """

    cost: Floats
    share: Floats
    experts: int
    macs: Floats
    parameters: Floats
    limits: Limits
    forced: tuple[int, ...]
    rows: NDArray[np.int64]

    @property
    def limited(self) -> bool:
        """Whether anything but the cost decides who may serve whom."""
        limits = self.limits
        return (
            limits.max_macs is not None
            or limits.max_parameters is not None
            or limits.min_share > 0.0
        )

    def take(self, positions: NDArray[np.int64]) -> Problem:
        """Return the problem over the experts at `positions` (ascending, forced ones included)."""
        place = {int(old): new for new, old in enumerate(positions)}
        return replace(
            self,
            cost=self.cost[positions],
            macs=self.macs[positions],
            parameters=self.parameters[positions],
            forced=tuple(place[position] for position in self.forced),
            rows=self.rows[positions],
        )


def check_matrix(loss: ArrayLike, weight: ArrayLike) -> tuple[Floats, Floats]:
    """Return the loss matrix (E, M) as float64 and the weights (M,) normalised to shares.

    Raises:
        InputError: the shapes do not fit, or a weight is negative, or none is positive.
    """
    losses = np.asarray(loss, dtype=np.float64)
    weights = np.asarray(weight, dtype=np.float64)
    if losses.ndim != 2 or weights.shape != losses.shape[1:]:
        raise InputError(
            f"loss has shape {losses.shape} and weight {weights.shape}: "
            "give losses (experts, clusters) and one weight a cluster"
        )
    if not np.all(np.isfinite(weights)) or np.any(weights < 0) or weights.sum() <= 0:
        raise InputError(
            "weights must be finite, not negative and not all zero: give cluster sizes"
        )
    return losses, weights / weights.sum()


def _per_expert(name: str, values: ArrayLike | None, experts: int, needed: bool) -> Floats:
    if values is None:
        if needed:
            raise InputError(f"a limit or price on {name} was given without {name}: pass {name}=")
        return np.zeros(experts)
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (experts,) or not np.all(np.isfinite(array)):
        raise InputError(f"{name} has shape {array.shape}: give one finite number an expert")
    return array


def prepare(
    losses: Floats,
    share: Floats,
    experts: int,
    limits: Limits,
    macs: ArrayLike | None,
    parameters: ArrayLike | None,
    price: float,
) -> Problem:
    """Check everything and put it in canonical order (see `select` for the arguments).

    Raises:
        InputError: sizes, indices or limits that cannot be met whatever is chosen.
    """
    rows, clusters = losses.shape
    if not 1 <= experts <= clusters:
        raise InputError(f"{experts} experts for {clusters} clusters: choose 1 to {clusters}")
    if not 0.0 <= limits.min_share <= 1.0:
        raise InputError(f"min_share is {limits.min_share}: give a share between 0 and 1")
    cost_of = _per_expert("macs", macs, rows, limits.max_macs is not None or price != 0.0)
    size_of = _per_expert("parameters", parameters, rows, limits.max_parameters is not None)
    must, never = set(limits.must_have), set(limits.must_not)
    if not all(0 <= row < rows for row in must | never):
        raise InputError(f"must_have or must_not names an expert outside 0 .. {rows - 1}")
    if must & never:
        raise InputError(f"experts {sorted(must & never)} are in must_have and in must_not")
    if len(must) > experts:
        raise InputError(f"must_have names {len(must)} experts but only {experts} may be chosen")
    if rows - len(never) < experts:
        raise InputError(
            f"{experts} experts were asked for but only {rows - len(never)} may be chosen: "
            "train more, ask for fewer, or shorten must_not"
        )
    weighty = np.flatnonzero(share > 0)
    measured = np.isfinite(losses[:, weighty])
    cost = share[weighty] * (losses[:, weighty] + price * cost_of[:, None])
    cost = np.where(measured, cost, np.inf)
    allowed = np.array(sorted(set(range(rows)) - never), dtype=np.int64)
    total = cost[allowed].sum(axis=1)
    order = allowed[np.argsort(total, kind="stable")]
    place = {int(row): position for position, row in enumerate(order)}
    return Problem(
        cost=cost[order],
        share=share[weighty],
        experts=experts,
        macs=cost_of[order],
        parameters=size_of[order],
        limits=limits,
        forced=tuple(sorted(place[row] for row in must)),
        rows=order,
    )
