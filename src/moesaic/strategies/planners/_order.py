"""The balanced order of all C(n, K) candidates, made as far as somebody asks for it."""

from __future__ import annotations

from functools import lru_cache
from math import comb
from threading import Lock

import numpy as np

from moesaic.seeds import generator
from moesaic.strategies.planners._evenness import with_block
from moesaic.strategies.planners._rest import Rest
from moesaic.strategies.planners._round import Block, Round, search_round

# A round is settled, and may be handed out, once so many others follow it.
LAG = 4
LAG_SMALL = 64
SMALL_SPACE = 2_000
TRIES = 4
TRIES_TO_KEEP = 24
CLOSE = 2
NODES = (60, 60, 60, 600)
SETBACKS = 12


class BalancedOrder:
    """Candidates in rounds that use every family once; see `StratifiedPlanner` for what holds.

    Rounds are searched one after the other, each for the most even pair counts. A round that
    cannot be completed without a repetition takes back some that are not settled yet. When
    that does not help either, what is left is taken one by one, evenest first.

    It is a function of (n, K) alone. Thread-safe.
    """

    def __init__(self, families: int, experts: int) -> None:
        """Begin the order of K = `experts` out of n = `families`; nothing is searched yet."""
        self._families, self._experts = families, experts
        self._space = comb(families, experts)
        self._lag = LAG_SMALL if self._space <= SMALL_SPACE else LAG
        none = np.zeros(families, dtype=bool)
        pairs = np.zeros((families, families), dtype=np.int64)
        self._base = Round((), none, pairs, 0, 0)
        self._rounds: list[Round] = []
        self._settled: list[Block] = []
        self._used: set[Block] = set()
        self._rest: Rest | None = None
        self._one_by_one = False
        self._kept = True
        self._furthest: list[Round] = []
        self._most = self._draws = self._setbacks = 0
        self._lock = Lock()

    def first(self, count: int) -> list[Block]:
        """Return the first `count` candidates as sorted tuples of 0 .. n - 1, or all there are."""
        with self._lock:
            while len(self._settled) < min(count, self._space):
                self._step()
            return self._settled[:count]

    def _step(self) -> None:
        """Settle at least one more candidate, or try to."""
        if self._one_by_one:
            self._take_one()
            return
        self._draws += 1
        rng = generator(0, f"planner/{self._families}/{self._experts}", self._draws)
        last = self._rounds[-1] if self._rounds else self._base
        found = self._search(last, rng)
        if found is not None:
            self._append(found)
            self._settle(self._lag if len(self._used) < self._space else 0)
            return
        self._setbacks += 1
        if self._setbacks > SETBACKS or not self._rounds:
            self._give_up()
            return
        for _ in range(min(2 ** (self._setbacks // 3), len(self._rounds))):
            self._take_back()

    def _search(self, last: Round, rng: np.random.Generator) -> Round | None:
        """Return the best round of a few that may follow `last`, or None when none was found."""
        best: Round | None = None
        for turn in range(TRIES_TO_KEEP if self._kept else TRIES):
            if turn == TRIES and best is None:
                break
            found = search_round(last.pairs, last.guests, self._experts, self._is_unused, rng)
            best = _better(best, found)
            if best is not None and best.spread <= CLOSE:
                return best
        if best is not None:
            return best
        rest = self._listed()
        for nodes in NODES:
            best = _better(best, rest.round(last.pairs, last.guests, nodes, rng))
            if best is not None and (best.spread <= CLOSE or nodes == NODES[-2]):
                break
        return best

    def _append(self, found: Round) -> None:
        self._rounds.append(found)
        self._kept = self._kept and found.spread <= CLOSE
        for block in found.blocks:
            self._use(block)
        if len(self._used) > self._most:
            self._most, self._furthest, self._setbacks = len(self._used), list(self._rounds), 0

    def _give_up(self) -> None:
        """Settle the most rounds that were ever reached; what is left is taken one by one."""
        while self._rounds:
            self._take_back()
        for found in self._furthest:
            self._append(found)
        self._settle(0)
        self._one_by_one = True

    def _take_back(self) -> None:
        for block in self._rounds.pop().blocks:
            self._used.discard(block)
            if self._rest is not None:
                self._rest.give_back(block)

    def _settle(self, keep: int) -> None:
        """Settle all rounds but the last `keep`."""
        while len(self._rounds) > keep:
            self._base = self._rounds.pop(0)
            self._settled.extend(self._base.blocks)
            self._furthest = self._furthest[1:]

    def _take_one(self) -> None:
        counts = np.bincount(np.array(self._settled).ravel(), minlength=self._families)
        rng = generator(0, f"planner/{self._families}/{self._experts}/rest", len(self._settled))
        block = self._listed().evenest(counts, self._base.pairs, rng)
        pairs = with_block(self._base.pairs, block)
        self._base = Round((block,), self._base.guests, pairs, 0, 0)
        self._use(block)
        self._settled.append(block)

    def _use(self, block: Block) -> None:
        self._used.add(block)
        if self._rest is not None:
            self._rest.use(block)

    def _is_unused(self, block: Block) -> bool:
        return block not in self._used

    def _listed(self) -> Rest:
        """Return the space as a list, made when it is first needed."""
        if self._rest is None:
            self._rest = Rest(self._families, self._experts, self._used)
        return self._rest


def _better(one: Round | None, other: Round | None) -> Round | None:
    if one is None or other is None:
        return one or other
    return other if other.rank < one.rank else one


@lru_cache(maxsize=32)
def balanced_order(families: int, experts: int) -> BalancedOrder:
    """Return the one balanced order of (n, K); those asked for last are kept."""
    return BalancedOrder(families, experts)
