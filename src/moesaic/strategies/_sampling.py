"""Drawing architectures not seen yet, plainly or equally over strata; it learns nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np

from moesaic.seeds import generator
from moesaic.spaces import Architecture, SearchSpace
from moesaic.strategies._memory import Memory

ATTEMPTS = 500
FIRST_DRAWS = 256


def unseen(space: SearchSpace, memory: Memory, rng: np.random.Generator) -> Architecture | None:
    """Draw one that is new, or None when 500 draws in a row are not."""
    for _ in range(ATTEMPTS):
        architecture = space.sample(rng)
        if not memory.seen(architecture):
            return architecture
    return None


class StratifiedSampler:
    """Takes from the stratum that was seen least, out of a list of draws that only grows.

    A stratum named "a/b" has two parts; of equally rare ones that with the rarer parts wins, so
    that fewer architectures than strata cover every part. Draw i depends on (seed, i) alone, so
    that asking in other portions changes nothing.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        """Args: space: what is sampled and names the strata; seed: the run's seed."""
        self._space, self._seed = space, seed
        self._drawn = 0
        self._waiting: dict[str, list[Architecture]] = {}
        self._strata: dict[str, str] = {}
        self._keys: set[str] = set()

    def take(self, memory: Memory) -> tuple[Architecture, str] | None:
        """Return the next new architecture with its stratum, or None when none is left.

        The least seen stratum that has a new architecture wins; ties: the one of the least seen
        parts, then the first by name.
        """
        self._draw(max(FIRST_DRAWS, 8 * len(memory.proposed)) - self._drawn)
        found = self._next(memory)
        if found is None:
            self._draw(ATTEMPTS)
            found = self._next(memory)
        return found

    def _draw(self, count: int) -> None:
        for _ in range(max(count, 0)):
            rng = generator(self._seed, "strategy/stratified", self._drawn)
            architecture = self._space.sample(rng)
            self._drawn += 1
            if architecture.key not in self._keys:
                self._keys.add(architecture.key)
                stratum = self._stratum(architecture)
                self._waiting.setdefault(stratum, []).append(architecture)

    def _stratum(self, architecture: Architecture) -> str:
        if architecture.key not in self._strata:
            self._strata[architecture.key] = self._space.stratum(architecture)
        return self._strata[architecture.key]

    def _next(self, memory: Memory) -> tuple[Architecture, str] | None:
        counts = Counter(self._stratum(one) for one in memory.architectures())
        parts: Counter[str] = Counter()
        for stratum, count in counts.items():
            parts.update(dict.fromkeys(stratum.split("/"), count))

        def rank(name: str) -> tuple[int, int, str]:
            return counts[name], sum(parts[part] for part in name.split("/")), name

        for stratum in sorted(self._waiting, key=rank):
            for architecture in self._waiting[stratum]:
                if not memory.seen(architecture):
                    return architecture, stratum
        return None
