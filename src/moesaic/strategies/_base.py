"""What a strategy and a proposal are; strategies live in modules beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture, SearchSpace


@dataclass(frozen=True)
class Proposal:
    """One training a strategy asks for.

    Attributes:
        architecture: what to train.
        subset: clusters to train on, M booleans, or None for all of them.
        parent: key of the trial whose weights it starts from, or None.
        reason: why, as a short sentence for the log and the report.
        predicted: the loss on every cluster, M in nats, that a surrogate expects of the training;
            None where no surrogate was asked.
        expected: the mean loss on the subset alone, in nats, of a surrogate that tells no more;
            None where there is none.
    """

    architecture: Architecture
    subset: tuple[bool, ...] | None
    parent: str | None
    reason: str
    predicted: tuple[float, ...] | None = None
    expected: float | None = None


class Strategy(ABC):
    """Proposes which experts to train next, by ask and tell.

    Promises every strategy must keep (`moesaic.testing.StrategyContract` checks them):
    the same seed, asks and tells give the same proposals; between two asks the order in
    which observations are told makes no difference; no architecture is proposed that was
    proposed or told before; fewer proposals than asked for mean that none are left. What
    was proposed and never told counts as under way until `give_up` names it (a failed
    trial); it is not proposed again either way. Not thread-safe.

    A third party adds one by subclassing and by an entry point in the group
    `moesaic.strategies` whose target is called as `(space, experts, weight, seed)`.
    """

    name: str

    def __init__(self, space: SearchSpace, experts: int, weight: ArrayLike, seed: int = 0) -> None:
        """Keep what every strategy needs.

        Args:
            space: where architectures come from.
            experts: K, how many the mixture will have.
            weight: (M,) cluster sizes, normalised to shares.
            seed: the run's seed; every draw derives from it.

        Raises:
            InputError: K is not 1 .. M, or the weights are not sizes.
        """
        weights = np.asarray(weight, dtype=np.float64)
        if weights.ndim != 1 or np.any(~(weights >= 0)) or not 0 < weights.sum() < np.inf:
            raise InputError("weight must be (M,) cluster sizes, not negative and not all zero")
        if not 1 <= experts <= len(weights):
            raise InputError(f"{experts} experts for {len(weights)} clusters: choose 1 to M")
        self.space = space
        self.experts = experts
        self.weight = weights / weights.sum()
        self.seed = seed

    @abstractmethod
    def ask(self, n: int) -> list[Proposal]:
        """Return up to n proposals, distinct from all before."""

    @abstractmethod
    def tell(self, observations: Sequence[Observation]) -> None:
        """Take in finished trials, its own or others'; telling one twice changes nothing."""

    def give_up(self, architectures: Sequence[Architecture]) -> None:  # noqa: B027 - may be deaf
        """Hear that these proposals will not be told: their trials failed.

        A strategy need not listen: most look at what was told only.
        """

    def groups(self) -> NDArray[np.int64] | None:
        """Return the group (M,) of every cluster, where the strategy itself finds K groups.

        None, the default: whoever has the bank selects experts and routing from it.
        """
        return None
