"""The `sgem` strategy: the surrogate-assisted generalised EM of SA-NAS, for comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, SearchSpace
from moesaic.strategies._base import Proposal, Strategy
from moesaic.strategies._masks import MaskSampler, as_mask
from moesaic.strategies._memory import Memory
from moesaic.strategies._sampling import unseen
from moesaic.strategies._sgem_steps import (
    hard_routing,
    improve_routing,
    objective,
    responsibilities,
)
from moesaic.strategies._sgem_surrogate import MaskedLoss

Floats = NDArray[np.float64]
_HELD_OUT = 8
_MUTATIONS = 0.15


class SgemStrategy(Strategy):
    """Alternates routing and architectures on a surrogate u(architecture, mask), after SA-NAS.

    As published: experts are trained on masks, log-uniform in size and of at least three clusters,
    and count on their own clusters alone; E-step q_mk ~ r_mk exp(-u_k); M-step on the routing by
    straight-through Gumbel-softmax, on architectures by random candidates with the lowest
    confidence bound; what comes out is trained (S-step) and the surrogate fitted again; a small
    penalty on unequal use. Restored: the surrogate is never negative; a step that does not improve
    the objective is not taken, so the incumbent is never lost; one architecture in eight, by its
    key, is held out of the surrogate for good, and says how wrong it is.
    """

    name = "sgem"

    def __init__(
        self,
        space: SearchSpace,
        experts: int,
        weight: ArrayLike,
        seed: int = 0,
        *,
        initial: int = 24,
        pool: int = 48,
        balance: float = 0.01,
        caution: float = 1.0,
    ) -> None:
        """See `Strategy`; the rest are options.

        initial: how many drawn pairs of architecture and mask are trained before the first EM step;
        pool: random candidates of the M-step on architectures, for every expert;
        balance: weight of the penalty K sum_k P_k^2;
        caution: standard deviations below the mean that a candidate is given credit for.

        Raises:
            InputError: as `Strategy`; `initial` or `pool` below 1, a negative weight.
        """
        super().__init__(space, experts, weight, seed)
        if initial < 1 or pool < 1 or balance < 0 or caution < 0:
            raise InputError(
                f"initial {initial}, pool {pool}, balance {balance}, caution {caution}: "
                "expected 1 or more, 1 or more, and no negative numbers"
            )
        self._initial, self._pool = initial, pool
        self._balance, self._caution = balance, caution
        clusters = len(self.weight)
        self._masks = MaskSampler(clusters, seed, "strategy/sgem/masks", smallest=min(3, clusters))
        self._memory = Memory()
        self._told: dict[str, Observation] = {}
        self._features: dict[str, Floats] = {}
        self._asked = 0
        self._step = 0
        start = generator(seed, "strategy/sgem/routing", 0).permutation(clusters) % experts
        self._routing = hard_routing(start.astype(np.int64), experts)
        self._experts: list[Architecture] = []
        self._ascent: list[tuple[float, float]] = []

    @property
    def ascent(self) -> tuple[tuple[float, float], ...]:
        """The objective before and after every EM step, under the surrogate of that step."""
        return tuple(self._ascent)

    def groups(self) -> NDArray[np.int64]:
        """Return the group (M,) of every cluster: the incumbent's routing."""
        found: NDArray[np.int64] = self._routing.argmax(axis=1).astype(np.int64)
        return found

    def tell(self, observations: Sequence[Observation]) -> None:
        """Remember the observations; the surrogate is fitted at the next ask."""
        self._memory.tell(observations, len(self.weight))
        self._told.update({one.trial.key: one for one in observations})

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n new architectures with masks: drawn at first, then those of an S-step."""
        proposals: list[Proposal] = []
        if n > 0 and self._asked >= self._initial:
            proposals = self._em_step(n)
        while len(proposals) < n:
            rng = generator(self.seed, "strategy/sgem/draws", self._asked)
            architecture = unseen(self.space, self._memory, rng)
            if architecture is None:
                break
            mask = self._masks.mask(self._asked)
            proposals.append(
                self._propose(architecture, mask, f"drawn mask of {sum(mask)} clusters")
            )
        return proposals

    def held_out_error(self) -> float:
        """Return the mean |u - measured| in nats of the architectures held out, NaN without any."""
        rows = [one for one in self._usable() if _held_out(one)]
        fitted = self._fitted()
        if not rows or fitted is None:
            return float("nan")
        mean, _ = fitted.predict(self._rows(rows), _flags(rows))
        return float(np.abs(mean - self._losses(rows)).mean())

    def _propose(
        self,
        architecture: Architecture,
        mask: tuple[bool, ...],
        reason: str,
        expected: float | None = None,
    ) -> Proposal:
        self._asked += 1
        self._memory.propose(architecture)
        return Proposal(architecture, mask, None, reason, expected=expected)

    def _em_step(self, n: int) -> list[Proposal]:
        surrogate = self._fitted()
        if surrogate is None:
            return []
        self._step += 1
        rng = generator(self.seed, "strategy/sgem/step", self._step)
        experts = self._experts or self._first_experts()
        best = self._valued(surrogate, experts, self._routing)
        before = best[0]
        loss = self._expected(surrogate, experts, self._routing)
        share = responsibilities(self._routing, loss)
        features = np.stack([self._row(one) for one in experts])
        moved = improve_routing(
            self._routing,
            share,
            lambda masks: surrogate.expected(features, masks),
            self.weight,
            self._balance,
            derive_seed(self.seed, "strategy/sgem/gumbel", self._step),
        )
        best = max(best, self._valued(surrogate, experts, moved), key=lambda one: one[0])
        fresh: list[list[Architecture]] = []
        for place in range(self.experts):
            candidates = self._ranked(surrogate, best[2][:, place], rng)
            fresh.append(candidates)
            if candidates:
                trial = [*best[1][:place], candidates[0], *best[1][place + 1 :]]
                best = max(best, self._valued(surrogate, trial, best[2]), key=lambda one: one[0])
        self._ascent.append((before, best[0]))
        self._experts, self._routing = list(best[1]), best[2]
        return self._sampled(n, surrogate, fresh, rng)

    def _sampled(
        self,
        n: int,
        surrogate: MaskedLoss,
        fresh: list[list[Architecture]],
        rng: np.random.Generator,
    ) -> list[Proposal]:
        """Return the S-step: candidates on their expert's clusters, some of them exchanged."""
        proposals: list[Proposal] = []
        queues = [list(candidates) for candidates in fresh]
        while len(proposals) < n and any(queues):
            place = len(proposals) % self.experts
            while queues[place] and self._memory.seen(queues[place][0]):
                queues[place].pop(0)
            if not queues[place]:
                place = max(range(self.experts), key=lambda one: len(queues[one]))
            architecture = queues[place].pop(0) if queues[place] else None
            if architecture is None or self._memory.seen(architecture):
                continue
            mask = self._routing[:, place] > 0.5
            flip = rng.random(len(mask)) < _MUTATIONS
            mask = np.where(flip, ~mask, mask)
            while mask.sum() < min(3, len(mask)):
                mask[rng.integers(len(mask))] = True
            reason = f"EM step {self._step}, expert {place}"
            told = self._expected(surrogate, [architecture], mask[:, None].astype(np.float64))
            proposals.append(self._propose(architecture, as_mask(mask), reason, float(told[0])))
        return proposals

    def _valued(
        self, surrogate: MaskedLoss, experts: Sequence[Architecture], routing: Floats
    ) -> tuple[float, list[Architecture], Floats]:
        loss = self._expected(surrogate, experts, routing)
        return objective(routing, loss, self.weight, self._balance), list(experts), routing

    def _expected(
        self, surrogate: MaskedLoss, experts: Sequence[Architecture], routing: Floats
    ) -> Floats:
        """Return u_k (K,) in nats: without dropout, for what is compared must not be drawn."""
        import torch

        features = np.stack([self._row(one) for one in experts])
        masks = torch.tensor(routing.T, dtype=torch.float32)
        found: Floats = surrogate.expected(features, masks).detach().double().numpy()
        return found

    def _ranked(
        self, surrogate: MaskedLoss, column: Floats, rng: np.random.Generator
    ) -> list[Architecture]:
        """Return new random architectures by their lowest confidence bound on a mask."""
        drawn = {one.key: one for one in (self.space.sample(rng) for _ in range(self._pool))}
        fresh = [drawn[key] for key in sorted(drawn) if not self._memory.seen(drawn[key])]
        if not fresh:
            return []
        features = np.stack([self._row(one) for one in fresh])
        mean, std = surrogate.predict(features, np.tile(column, (len(fresh), 1)))
        order = np.argsort(mean - self._caution * std, kind="stable")
        return [fresh[int(row)] for row in order]

    def _first_experts(self) -> list[Architecture]:
        """Return the architectures of least loss on what they were trained on."""
        rows = [one for one in self._usable() if not _held_out(one)]
        order = np.argsort(self._losses(rows), kind="stable")
        best = [rows[int(order[place % len(rows)])] for place in range(self.experts)]
        return [one.trial.architecture for one in best if one.trial.architecture is not None]

    def _fitted(self) -> MaskedLoss | None:
        """Return a surrogate of what was told, less what is held out; None with too little."""
        rows = [one for one in self._usable() if not _held_out(one)]
        if len(rows) < 2:
            return None
        features = self._rows(rows)
        seed = derive_seed(self.seed, "strategy/sgem/surrogate", len(rows))
        surrogate = MaskedLoss(features.shape[1], len(self.weight), seed)
        surrogate.fit(features, _flags(rows), self._losses(rows))
        return surrogate

    def _usable(self) -> list[Observation]:
        """Return what was told and measured on at least one of its own clusters, by key."""
        rows = [self._told[key] for key in sorted(self._told)]
        return [
            one
            for one in rows
            if one.trial.architecture is not None and np.isfinite(self._own_loss(one))
        ]

    def _own_loss(self, one: Observation) -> float:
        """Return the mean loss on an expert's own clusters, in nats; NaN where there is none."""
        used = np.array(one.trial.subset or np.ones(len(self.weight)), dtype=bool)
        used &= np.isfinite(one.loss) & (self.weight > 0)
        if not used.any():
            return float("nan")
        return float(np.average(one.loss[used], weights=self.weight[used]))

    def _losses(self, rows: Sequence[Observation]) -> Floats:
        return np.array([self._own_loss(one) for one in rows])

    def _rows(self, rows: Sequence[Observation]) -> Floats:
        known = [one.trial.architecture for one in rows]
        return np.stack([self._row(one) for one in known if one is not None])

    def _row(self, architecture: Architecture) -> Floats:
        if architecture.key not in self._features:
            self._features[architecture.key] = np.asarray(
                self.space.features(architecture), dtype=np.float64
            )
        return self._features[architecture.key]


def _flags(rows: Sequence[Observation]) -> Floats:
    """Return the masks (n, M) of observations as numbers; a generalist's is full."""
    return np.stack(
        [
            np.ones(len(one.loss))
            if one.trial.subset is None
            else np.array(one.trial.subset, dtype=np.float64)
            for one in rows
        ]
    )


def _held_out(one: Observation) -> bool:
    """Whether an architecture never enters the surrogate; its key alone decides."""
    if one.trial.architecture is None:
        return False
    digest = hashlib.blake2b(one.trial.architecture.key.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % _HELD_OUT == 0
