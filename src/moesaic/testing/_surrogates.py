"""The contract every surrogate must keep, as a pytest base class; it tests nothing itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pytest

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.spaces import Architecture, SearchSpace
from moesaic.surrogate import Surrogate
from moesaic.testing._toy_space import ToySpace


class SurrogateContract(ABC):
    """Subclass as `class TestMySurrogate(SurrogateContract)`, give `make_surrogate`, run pytest."""

    @abstractmethod
    def make_surrogate(self, space: SearchSpace, seed: int) -> Surrogate:
        """Return the surrogate under test, a new object at every call."""

    def _measured(self, space: ToySpace, count: int, seed: int = 0) -> list[Observation]:
        rng = np.random.default_rng(seed)
        observations = []
        for index in range(count):
            architecture = space.sample(rng)
            loss = space.loss(architecture) * np.exp(0.02 * rng.standard_normal(space.clusters))
            trial = Trial("expert", "toy", index, index, architecture)
            observations.append(Observation(trial, loss, np.exp(-loss), 1, 1, 1.0))
        return observations

    def _drawn(self, space: ToySpace, count: int = 12) -> list[Architecture]:
        rng = np.random.default_rng(99)
        return [space.sample(rng) for _ in range(count)]

    def test_it_predicts_finite_nats_never_negative(self) -> None:
        """After one observation as after thirty."""
        space = ToySpace()
        for count in (1, 5, 16):
            surrogate = self.make_surrogate(space, 0)
            surrogate.fit(self._measured(space, count))
            mean, std = surrogate.predict(self._drawn(space))
            assert mean.shape == std.shape == (12, space.clusters)
            assert np.all(np.isfinite(mean))
            assert np.all(mean >= 0.0)
            assert np.all(np.isfinite(std))
            assert np.all(std >= 0.0)

    def test_equal_observations_in_any_order_give_equal_predictions(self) -> None:
        """Bit for bit; and a new fit forgets the one before."""
        space = ToySpace()
        observations = self._measured(space, 20)
        first, second = self.make_surrogate(space, 3), self.make_surrogate(space, 3)
        second.fit(observations[:9])
        first.fit(observations)
        second.fit(observations[::-1])
        asked = self._drawn(space)
        for one, other in zip(first.predict(asked), second.predict(asked), strict=True):
            assert np.array_equal(one, other)

    def test_the_order_of_candidates_makes_no_difference(self) -> None:
        """Each candidate is predicted on its own."""
        space = ToySpace()
        surrogate = self.make_surrogate(space, 0)
        surrogate.fit(self._measured(space, 20))
        asked = self._drawn(space)
        plain, backwards = surrogate.predict(asked), surrogate.predict(asked[::-1])
        for one, other in zip(plain, backwards, strict=True):
            assert np.allclose(one, other[::-1], rtol=1e-9)

    def test_gaps_are_tolerated(self) -> None:
        """A cluster without samples, and single missing values."""
        space = ToySpace()
        observations = self._measured(space, 20)
        for place, one in enumerate(observations):
            one.loss[0] = np.nan
            one.loss[1 + place % (space.clusters - 1)] = np.nan
        surrogate = self.make_surrogate(space, 0)
        surrogate.fit(observations)
        mean, std = surrogate.predict(self._drawn(space))
        assert np.all(np.isfinite(mean))
        assert np.all(np.isfinite(std))

    def test_it_says_how_good_it_is(self) -> None:
        """Per cluster, with a verdict and its reason; few observations are not trusted."""
        space = ToySpace()
        surrogate = self.make_surrogate(space, 0)
        with pytest.raises(InputError):
            _ = surrogate.quality
        surrogate.fit(self._measured(space, 3))
        assert not surrogate.quality.trusted
        surrogate.fit(self._measured(space, 40))
        quality = surrogate.quality
        assert quality.reason
        assert quality.observations == 40
        for values in (quality.spearman, quality.kendall, quality.coverage50, quality.coverage90):
            assert values.shape == (space.clusters,)

    def test_misuse_is_refused(self) -> None:
        """Predicting before fitting, fitting on nothing."""
        space = ToySpace()
        surrogate = self.make_surrogate(space, 0)
        with pytest.raises(InputError):
            surrogate.predict(self._drawn(space))
        with pytest.raises(InputError):
            surrogate.fit([])
