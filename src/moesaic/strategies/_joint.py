"""The `joint` strategy: K experts for M > K clusters, on all data or on groups that it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.seeds import generator
from moesaic.selection import select
from moesaic.spaces import SearchSpace
from moesaic.strategies._base import Proposal
from moesaic.strategies._guided import GuidedStrategy, own_best
from moesaic.strategies._masks import Mask
from moesaic.strategies._memory import BankView
from moesaic.strategies._structured import SubsetPlan
from moesaic.surrogate import Acquisition, ClusterGain, SelectionGain, propose_batch

_PARENTS = 2


class JointStrategy(GuidedStrategy):
    """Looks for architectures that improve the best K experts for all M clusters (M > K).

    With `masks` it also looks for the groups: experts of drawn subsets are measured on every
    cluster, what they know of clusters they never saw puts the clusters into K groups, and from
    then on every group has architectures of its own tried on it, proposed in turn by strata and
    by a surrogate that is told the subset.
    """

    name = "joint"

    def __init__(
        self,
        space: SearchSpace,
        experts: int,
        weight: ArrayLike,
        seed: int = 0,
        *,
        initial: int = 16,
        masks: bool = False,
        explore: int = 64,
        **options: Any,
    ) -> None:
        """See `GuidedStrategy`; the rest are options.

        masks: train on drawn subsets of clusters and on the groups found, after `initial`
            generalists;
        explore: how many trainings see drawn subsets.

        Raises:
            InputError: as `GuidedStrategy`; `explore` below 1.
        """
        super().__init__(space, experts, weight, seed, initial=initial, **options)
        if explore < 1:
            raise InputError(f"explore is {explore}: at least one training must see a drawn subset")
        self._plan = SubsetPlan(self.weight, experts, seed, initial, explore) if masks else None
        self._asked = 0

    def tell(self, observations: Sequence[Observation]) -> None:
        """Remember the observations; surrogate and groups are renewed at the next ask."""
        super().tell(observations)
        if self._plan is not None:
            self._plan.tell(observations)

    def groups(self) -> NDArray[np.int64] | None:
        """Return the group (M,) of every cluster as found so far; None without masks."""
        return None if self._plan is None else self._plan.groups()

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n new architectures, each with what it shall see."""
        if self._plan is None:
            return super().ask(n)
        proposals: list[Proposal] = []
        while len(proposals) < n:
            subset = self._plan.subset(self._asked)
            found: Proposal | None = None
            # every other turn by strata, so that no group sees architectures of one sort only
            guided = self._plan.refines(self._asked) and self._asked // self.experts % 2
            if subset is not None and guided:
                found = self._for_subset(subset)
            if found is None:
                drawn = self._sampler.take(self._memory)
                if drawn is None:
                    break
                reason = f"stratum {drawn[1]}, {_named(subset)}"
                found = Proposal(drawn[0], subset, None, reason)
            self._asked += 1
            self._memory.propose(found.architecture)
            proposals.append(found)
        return proposals

    def _for_subset(self, subset: Mask) -> Proposal | None:
        """Return the candidate with the highest expected gain on a subset, if it can be trusted."""
        told = self._memory.specialists()
        keys = [one.trial.key for one in told]
        if len(told) < self._initial:
            return None
        if keys != self._fitted:
            self._surrogate.fit(told)
            self._fitted = keys
        if not self._surrogate.quality.trusted:
            return None
        inside = np.array(subset) & (self.weight > 0)
        own = [one for one in told if _within(one, subset)]
        loss = np.stack([one.loss for one in own])[:, inside] if own else np.empty((0, 0))
        if not loss.size or not np.isfinite(loss).all():
            return None
        order = np.argsort(loss @ self.weight[inside], kind="stable")[:_PARENTS]
        parents = [own[row].trial.architecture for row in order]
        rng = generator(self.seed, "strategy/joint/candidates", self._asked)
        candidates = self._candidates([one for one in parents if one is not None], rng)
        if not candidates:
            return None
        mean, std = self._surrogate.predict(candidates, [subset] * len(candidates))
        gain = ClusterGain(loss.min(axis=0), self.weight[inside])
        row, expected = propose_batch(gain, mean[:, inside], std[:, inside], 1)[0]
        reason = f"expected gain {expected:.2g} nats, {_named(subset)}"
        losses = tuple(float(loss) for loss in mean[row])
        return Proposal(candidates[row], subset, None, reason, losses)

    def _acquisition(self, bank: BankView, seed: int) -> tuple[Acquisition, list[int]]:
        used = bank.weight > 0
        # Experts with gaps could leave a cluster unserved when one of the K is replaced.
        whole = np.flatnonzero(np.isfinite(bank.loss[:, used]).all(axis=1))
        if not len(whole):
            return own_best(bank)
        experts = min(self.experts, int(used.sum()), len(whole))
        chosen = select(bank.loss[whole], bank.weight, experts).chosen
        rows = [int(whole[row]) for row in chosen]
        losses = np.where(used, bank.loss[rows], 0.0)
        return SelectionGain(losses, bank.weight, seed), rows


def _within(one: Observation, subset: Mask) -> bool:
    """Whether an expert was trained on all of a subset, and on nothing or little beside it."""
    seen = np.array(one.trial.subset, dtype=bool)
    wanted = np.array(subset)
    return bool(seen[wanted].all()) and int(seen.sum()) <= 2 * int(wanted.sum())


def _named(subset: Mask | None) -> str:
    return "all clusters" if subset is None else f"{sum(subset)} of {len(subset)} clusters"
