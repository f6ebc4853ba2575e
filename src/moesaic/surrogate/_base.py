"""What a surrogate is and what it must say about itself; models live in modules beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture, SearchSpace

Floats = NDArray[np.float64]
Subset = tuple[bool, ...] | None


@dataclass(frozen=True)
class Quality:
    """How good a surrogate was on observations it had not seen.

    Attributes:
        model: the model in use ("blend", the name of a single one, or "constant").
        observations: how many it was fitted on.
        trusted: whether its proposals may replace a stratified sample.
        reason: why, as a sentence.
        spearman, kendall: (M,) rank correlation of held-out prediction and measurement.
        rmse: (M,) nats.
        coverage50, coverage90: (M,) share of held-out values inside the 50 % and 90 %
            interval, its width set on other folds.
        scale: (M,) factor its standard deviations were multiplied with.
        measured, predicted, predicted_std: (n, M) nats, for a figure; NaN where not measured.
        compared: mean Spearman of every model that was tried.
        weights: how much each of them counts, together 1.
    """

    model: str
    observations: int
    trusted: bool
    reason: str
    spearman: Floats
    kendall: Floats
    rmse: Floats
    coverage50: Floats
    coverage90: Floats
    scale: Floats
    measured: Floats
    predicted: Floats
    predicted_std: Floats
    compared: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def mean_spearman(self) -> float:
        """Mean over the clusters that have one; NaN when none has."""
        known = self.spearman[np.isfinite(self.spearman)]
        return float(known.mean()) if known.size else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, None for what is not known."""

        def plain(value: Any) -> Any:
            if isinstance(value, np.ndarray):
                return [plain(entry) for entry in value.tolist()]
            if isinstance(value, list):
                return [plain(entry) for entry in value]
            if isinstance(value, float) and not np.isfinite(value):
                return None
            return value

        payload = {name: plain(value) for name, value in vars(self).items()}
        for table in ("compared", "weights"):
            payload[table] = {name: plain(value) for name, value in payload[table].items()}
        payload["mean_spearman"] = plain(self.mean_spearman)
        return payload


class Surrogate(ABC):
    """Predicts the loss of an architecture on every cluster before it is trained.

    A third party adds one by subclassing and by an entry point in the group
    `moesaic.surrogates` whose target is called as `(space, seed)`;
    `moesaic.testing.SurrogateContract` is its test suite. The same observations, in any
    order, and the same seed must give the same predictions.
    """

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        """Read architectures through `space.features`; draw folds and trees from `seed`."""
        self.space = space
        self.seed = seed

    def inform(self, extra: Callable[[Sequence[Architecture]], Floats]) -> None:
        """Offer further inputs of an architecture, (n, P); one that takes none ignores them."""
        return

    @abstractmethod
    def fit(self, observations: Sequence[Observation]) -> None:
        """Learn from expert observations; mixtures among them are left out.

        They should share one recipe: a budget is not a feature.

        Raises:
            InputError: no expert among them, or loss vectors of different lengths.
        """

    @abstractmethod
    def predict(
        self, architectures: Sequence[Architecture], subsets: Sequence[Subset] | None = None
    ) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, both (n, M) in nats, the mean never negative.

        Args:
            architectures: n of them.
            subsets: which clusters each would be trained on; None: all.

        Raises:
            InputError: called before `fit`, or subsets that do not fit.
        """

    def interval(
        self,
        architectures: Sequence[Architecture],
        level: float = 0.9,
        subsets: Sequence[Subset] | None = None,
    ) -> tuple[Floats, Floats]:
        """Return the lower and upper ends, both (n, M) in nats, of intervals that hold `level`.

        Here those of a normal distribution, cut at 0; a surrogate that knows better overrides it.

        Args:
            architectures: n of them.
            level: share of new measurements that should lie inside.
            subsets: which clusters each would be trained on; None: all.

        Raises:
            InputError: a level outside 0 to 1; as `predict`.
        """
        if not 0.0 < level < 1.0:
            raise InputError(f"level is {level}: give a share between 0 and 1, such as 0.9")
        mean, std = self.predict(architectures, subsets)
        reach = float(ndtri(0.5 + 0.5 * level)) * std
        return np.maximum(mean - reach, 0.0), mean + reach

    @property
    @abstractmethod
    def quality(self) -> Quality:
        """How good it was on held-out observations at the last `fit`.

        Raises:
            InputError: called before `fit`.
        """
