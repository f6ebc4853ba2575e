"""A tiny search space with a known loss, for contract suites; its networks are of no use."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

from moesaic.spaces import Architecture, SearchSpace


class ToySpace(SearchSpace):
    """Words of L digits 0 .. 3; the loss on a cluster falls with every digit that suits it.

    `loss` is smooth in the digits, so that it can be learned, and every cluster has a
    different best word, so that different experts are worth having.
    """

    name = "toy"

    def __init__(self, length: int = 6, clusters: int = 4, seed: int = 0) -> None:
        """Args: length: L; clusters: M; seed: draws what suits which cluster."""
        self.length = length
        self.clusters = clusters
        rng = np.random.default_rng(seed)
        self._wanted = rng.integers(0, 4, (clusters, length))
        self._matters = rng.dirichlet(np.ones(length), clusters)

    @property
    def size(self) -> int:
        """4 ** L."""
        return int(4**self.length)

    def word(self, architecture: Architecture) -> tuple[int, ...]:
        """Return its L digits."""
        return tuple(json.loads(architecture.text))

    def make(self, word: tuple[int, ...]) -> Architecture:
        """Return the architecture of a word."""
        text = json.dumps(list(word), separators=(",", ":"))
        key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return Architecture(key, self.name, text, self.name)

    def loss(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return the true loss (M,) in nats; the best word of a cluster reaches .1 there."""
        gap = np.abs(np.array(self.word(architecture)) - self._wanted) / 3.0
        loss: NDArray[np.float64] = 0.1 + (self._matters * gap**2).sum(axis=1)
        return loss

    def best(self) -> NDArray[np.float64]:
        """Return the lowest loss (M,) each cluster can reach, by its own architecture."""
        return np.full(self.clusters, 0.1)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw a word, every one equally likely."""
        return self.make(tuple(int(digit) for digit in rng.integers(0, 4, self.length)))

    def members(self) -> Iterator[Architecture]:
        """Yield all words."""
        return (self.make(word) for word in itertools.product(range(4), repeat=self.length))

    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator
    ) -> list[Architecture]:
        """Return all words with one digit changed, in random order."""
        word = self.word(architecture)
        found = [
            self.make((*word[:place], digit, *word[place + 1 :]))
            for place in range(self.length)
            for digit in range(4)
            if digit != word[place]
        ]
        return [found[index] for index in rng.permutation(len(found))]

    def features(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return the digits one-hot, then as numbers (5 L,)."""
        word = np.array(self.word(architecture))
        return np.concatenate([np.eye(4)[word].ravel(), word / 3.0])

    def stratum(self, architecture: Architecture) -> str:
        """Name it by its first digit."""
        return f"first-{self.word(architecture)[0]}"

    def build(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> nn.Module:
        """Return a linear classifier, the same for every word."""
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), classes))

    def resize(self, architecture: Architecture, widths: tuple[int, ...]) -> Architecture:
        """Return it unchanged: a word has no widths."""
        return architecture

    def widths(self, architecture: Architecture) -> tuple[int, ...]:
        """Return no widths."""
        return ()

    def describe(self, architecture: Architecture) -> str:
        """Return the word."""
        return "".join(str(digit) for digit in self.word(architecture))

    def graph(self, architecture: Architecture) -> list[tuple[int, int, str]]:
        """Return a chain with one digit an edge."""
        return [
            (place, place + 1, str(digit)) for place, digit in enumerate(self.word(architecture))
        ]
