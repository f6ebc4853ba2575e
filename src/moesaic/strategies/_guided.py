"""Surrogate-guided search: stratified start, then the candidates with the highest expected gain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, SearchSpace
from moesaic.strategies._base import Proposal, Strategy
from moesaic.strategies._memory import BankView, Memory
from moesaic.strategies._sampling import StratifiedSampler
from moesaic.surrogate import (
    Acquisition,
    ClusterGain,
    ExtraFeatures,
    Prior,
    Surrogate,
    TransferSurrogate,
    get_surrogate,
    left_doubt,
    propose_batch,
)

NEIGHBOURS = 48
LEAST_START = 8


class GuidedStrategy(Strategy):
    """What `decomposed` and `joint` share; they differ in what counts as a gain.

    Until `initial` architectures are told, and whenever the surrogate is not trusted, it
    samples equally many of every stratum. Otherwise it scores `pool` random architectures
    and the neighbours of the incumbents, and takes a batch by believing each choice. What was
    proposed before and is still under way is believed in the same way.
    """

    def __init__(
        self,
        space: SearchSpace,
        experts: int,
        weight: ArrayLike,
        seed: int = 0,
        *,
        surrogate: str = "blend",
        initial: int = 16,
        pool: int = 256,
        per_second: bool = False,
        prior: Prior | None = None,
        extra: ExtraFeatures | None = None,
    ) -> None:
        """See `Strategy`; the rest are options.

        surrogate: name of the surrogate, see `moesaic.surrogate.surrogate_names`;
        initial: how many architectures are measured before a surrogate is asked;
        pool: how many random candidates are scored; a space that has no more is scored whole;
        per_second: whether candidates are ranked by the expected gain per second of training,
            which is predicted from the seconds that were told;
        prior: what an earlier run says; half the start will do then, at least 8;
        extra: further inputs of the surrogate, such as zero-cost proxies.

        Raises:
            InputError: as `Strategy`; unknown surrogate; `initial` or `pool` below 1.
        """
        super().__init__(space, experts, weight, seed)
        if initial < 1 or pool < 1:
            raise InputError(f"initial is {initial} and pool {pool}: both must be at least 1")
        self._initial, self._pool, self._per_second = initial, pool, per_second
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
        self._known: dict[str, NDArray[np.float64]] = {}

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

    def give_up(self, architectures: Sequence[Architecture]) -> None:
        """Stop believing in proposals whose trials failed."""
        self._memory.give_up(architectures)

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
        waiting = self._memory.under_way()
        features = self._features([*candidates, *waiting])
        if waiting:
            for believed in self._surrogate.predict(waiting)[0]:
                acquisition = acquisition.believing(believed)
            for other in features[len(candidates) :]:
                std = std * left_doubt(features[: len(candidates)], other)[:, None]
        chosen = propose_batch(
            acquisition,
            mean,
            std,
            n,
            seconds=self._seconds(candidates) if self._per_second else None,
            features=features[: len(candidates)],
        )
        proposals = []
        for row, gain in chosen:
            self._memory.propose(candidates[row])
            reason = f"expected gain {gain:.2g} nats"
            told = tuple(float(loss) for loss in mean[row])
            proposals.append(Proposal(candidates[row], None, None, reason, told))
        return proposals

    def _features(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return their features (n, F) of unit variance, without those that do not vary."""
        for one in architectures:
            if one.key not in self._known:
                self._known[one.key] = np.asarray(self.space.features(one), dtype=np.float64)
        table = np.stack([self._known[one.key] for one in architectures])
        centre, spread = table.mean(axis=0), table.std(axis=0)
        useful = spread > 1e-9 * (1.0 + np.abs(centre))
        scaled: NDArray[np.float64] = (table[:, useful] - centre[useful]) / spread[useful]
        return scaled

    def _seconds(self, candidates: Sequence[Architecture]) -> NDArray[np.float64] | None:
        """Return what training each is expected to take (n,), None when nobody told seconds."""
        timed = [
            # a surrogate learns any positive quantity of one "cluster"
            replace(one, loss=np.array([one.seconds]))
            for one in self._memory.comparable()
            if one.seconds > 0
        ]
        if not timed:
            return None
        model = get_surrogate(
            "ridge", self.space, derive_seed(self.seed, f"strategy/{self.name}/seconds")
        )
        model.fit(timed)
        return model.predict(candidates)[0][:, 0]

    def _candidates(
        self, incumbents: list[Architecture], rng: np.random.Generator
    ) -> list[Architecture]:
        """Return new architectures: all of a small space, else random ones and neighbours."""
        if self._members is not None:
            return [one for one in self._members if not self._memory.seen(one)]
        drawn = [self.space.sample(rng) for _ in range(self._pool)]
        for incumbent in incumbents:
            drawn.extend(self.space.neighbours(incumbent, rng)[:NEIGHBOURS])
        fresh = {one.key: one for one in drawn if not self._memory.seen(one)}
        return [fresh[key] for key in sorted(fresh)]

    @cached_property
    def _members(self) -> list[Architecture] | None:
        """Return the whole space, sorted by key, or None when it is larger than the pool."""
        if self.space.size > self._pool:
            return None
        members = self.space.members()
        return None if members is None else sorted(members, key=lambda one: one.key)


class DecomposedStrategy(GuidedStrategy):
    """Every cluster looks for its own best architecture (SA-NAS, Problem 6: M = K)."""

    name = "decomposed"

    def _acquisition(self, bank: BankView, seed: int) -> tuple[Acquisition, list[int]]:
        return own_best(bank)


def own_best(bank: BankView) -> tuple[ClusterGain, list[int]]:
    """Return the gain when every cluster has its own expert, and the rows that are best for one."""
    table = np.where(np.isfinite(bank.loss), bank.loss, np.inf)
    used = bank.weight > 0
    incumbent = np.where(used, table.min(axis=0), 0.0)
    best: NDArray[np.int64] = np.unique(table[:, used].argmin(axis=0))
    return ClusterGain(incumbent, bank.weight), [int(row) for row in best]
