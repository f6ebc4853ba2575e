"""Surrogate-guided search: stratified start, then the candidates with the highest expected gain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.seeds import derive_seed, generator
from moesaic.selection import select
from moesaic.spaces import Architecture, SearchSpace
from moesaic.strategies._base import Proposal, Strategy
from moesaic.strategies._memory import BankView, Memory
from moesaic.strategies._sampling import StratifiedSampler
from moesaic.surrogate import (
    Acquisition,
    ClusterGain,
    ExtraFeatures,
    Prior,
    SelectionGain,
    Surrogate,
    TransferSurrogate,
    get_surrogate,
    propose_batch,
)

NEIGHBOURS = 48
LEAST_START = 8


class GuidedStrategy(Strategy):
    """What `decomposed` and `joint` share; they differ in what counts as a gain.

    Until `initial` architectures are told, and whenever the surrogate is not trusted, it
    samples equally many of every stratum. Otherwise it scores `pool` random architectures
    and the neighbours of the incumbents, and takes a batch by believing each choice.
    """

    def __init__(
        self,
        space: SearchSpace,
        experts: int,
        weight: ArrayLike,
        seed: int = 0,
        *,
        surrogate: str = "chosen",
        initial: int = 16,
        pool: int = 256,
        prior: Prior | None = None,
        extra: ExtraFeatures | None = None,
    ) -> None:
        """See `Strategy`; the rest are options.

        surrogate: name of the surrogate, see `moesaic.surrogate.surrogate_names`;
        initial: how many architectures are measured before a surrogate is asked;
        pool: how many random candidates are scored;
        prior: what an earlier run says; half the start will do then, at least 8;
        extra: further inputs of the surrogate, such as zero-cost proxies.

        Raises:
            InputError: as `Strategy`; unknown surrogate; `initial` or `pool` below 1.
        """
        super().__init__(space, experts, weight, seed)
        if initial < 1 or pool < 1:
            raise InputError(f"initial is {initial} and pool {pool}: both must be at least 1")
        self._initial, self._pool = initial, pool
        if prior is not None:
            self._initial = min(initial, max(LEAST_START, initial // 2))
        self._memory = Memory()
        self._sampler = StratifiedSampler(space, seed)
        drawn = derive_seed(seed, f"strategy/{self.name}/surrogate")
        self._surrogate = (
            get_surrogate(surrogate, space, drawn)
            if prior is None
            else TransferSurrogate(space, drawn, prior, surrogate)
        )
        if extra is not None:
            self._surrogate.inform(extra)
        self._fitted: list[str] = []

    @abstractmethod
    def _acquisition(self, bank: BankView, seed: int) -> tuple[Acquisition, list[int]]:
        """Return what counts as a gain over the bank, and the rows that are its incumbents."""

    @property
    def surrogate(self) -> Surrogate:
        """The surrogate as last fitted, for the report; before that its `quality` raises."""
        return self._surrogate

    def tell(self, observations: Sequence[Observation]) -> None:
        """Remember the observations; the surrogate is fitted at the next ask."""
        self._memory.tell(observations, len(self.weight))

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n new architectures."""
        bank = self._memory.bank(self.weight)
        known = len(bank.architectures)
        if known < self._initial or bank.weight.sum() == 0:
            return self._stratified(n, f"start, {known} of {self._initial} measured")
        self._fit()
        if not self._surrogate.quality.trusted:
            return self._stratified(n, self._surrogate.quality.reason)
        proposals = self._guided(n, bank)
        return proposals + self._stratified(n - len(proposals), "no candidate left")

    def _fit(self) -> None:
        observations = self._memory.comparable()
        keys = [one.trial.key for one in observations]
        if keys != self._fitted:
            self._surrogate.fit(observations)
            self._fitted = keys

    def _stratified(self, n: int, why: str) -> list[Proposal]:
        proposals: list[Proposal] = []
        while len(proposals) < n:
            found = self._sampler.take(self._memory)
            if found is None:
                break
            architecture, stratum = found
            self._memory.propose(architecture)
            proposals.append(Proposal(architecture, None, None, f"stratum {stratum} ({why})"))
        return proposals

    def _guided(self, n: int, bank: BankView) -> list[Proposal]:
        index = len(self._memory.proposed)
        stage = f"strategy/{self.name}"
        acquisition, rows = self._acquisition(bank, derive_seed(self.seed, f"{stage}/draws", index))
        rng = generator(self.seed, f"{stage}/candidates", index)
        candidates = self._candidates([bank.architectures[row] for row in rows], rng)
        if not candidates:
            return []
        mean, std = self._surrogate.predict(candidates)
        proposals = []
        for row, gain in propose_batch(acquisition, mean, std, n):
            self._memory.propose(candidates[row])
            proposals.append(
                Proposal(candidates[row], None, None, f"expected gain {gain:.2g} nats")
            )
        return proposals

    def _candidates(
        self, incumbents: list[Architecture], rng: np.random.Generator
    ) -> list[Architecture]:
        """Return new architectures: random ones, and some neighbours of every incumbent."""
        drawn = [self.space.sample(rng) for _ in range(self._pool)]
        for incumbent in incumbents:
            drawn.extend(self.space.neighbours(incumbent, rng)[:NEIGHBOURS])
        fresh = {one.key: one for one in drawn if not self._memory.seen(one)}
        return [fresh[key] for key in sorted(fresh)]


class DecomposedStrategy(GuidedStrategy):
    """Every cluster looks for its own best architecture (SA-NAS, Problem 6: M = K)."""

    name = "decomposed"

    def _acquisition(self, bank: BankView, seed: int) -> tuple[Acquisition, list[int]]:
        return _own_best(bank)


class JointStrategy(GuidedStrategy):
    """Looks for architectures that improve the best K experts for all M clusters (M > K)."""

    name = "joint"

    def _acquisition(self, bank: BankView, seed: int) -> tuple[Acquisition, list[int]]:
        used = bank.weight > 0
        # Experts with gaps could leave a cluster unserved when one of the K is replaced.
        whole = np.flatnonzero(np.isfinite(bank.loss[:, used]).all(axis=1))
        if not len(whole):
            return _own_best(bank)
        experts = min(self.experts, int(used.sum()), len(whole))
        chosen = select(bank.loss[whole], bank.weight, experts).chosen
        rows = [int(whole[row]) for row in chosen]
        losses = np.where(used, bank.loss[rows], 0.0)
        return SelectionGain(losses, bank.weight, seed), rows


def _own_best(bank: BankView) -> tuple[ClusterGain, list[int]]:
    table = np.where(np.isfinite(bank.loss), bank.loss, np.inf)
    used = bank.weight > 0
    incumbent = np.where(used, table.min(axis=0), 0.0)
    best: NDArray[np.int64] = np.unique(table[:, used].argmin(axis=0))
    return ClusterGain(incumbent, bank.weight), [int(row) for row in best]
