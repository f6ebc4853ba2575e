"""The contract every search space must keep, as a pytest base class; it tests nothing itself."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod

import numpy as np
import torch

from moesaic.spaces import Architecture, SearchSpace


class SearchSpaceContract(ABC):
    """Subclass as `class TestMySpace(SearchSpaceContract)`, give `make_space`, run pytest.

    Attributes:
        input_shape: shape of one sample the networks are built for.
        classes: number of logits they are built for.
        draws: how many architectures are drawn.
    """

    input_shape: tuple[int, ...] = (3, 16, 16)
    classes: int = 5
    draws: int = 8

    @abstractmethod
    def make_space(self) -> SearchSpace:
        """Return the space under test, a new object at every call."""

    def _drawn(self, space: SearchSpace, seed: int = 0) -> list[Architecture]:
        rng = np.random.default_rng(seed)
        return [space.sample(rng) for _ in range(self.draws)]

    def test_the_members_are_what_may_be_drawn(self) -> None:
        """One a key, where the space can list them and is small enough for a test."""
        space = self.make_space()
        if space.size > 2000 or (members := space.members()) is None:
            return
        keys = [one.key for one in members]
        assert len(set(keys)) == len(keys) <= space.size
        assert {one.key for one in self._drawn(space)} <= set(keys)

    def test_the_space_has_a_name_and_a_size(self) -> None:
        """A space is named and not empty."""
        space = self.make_space()
        assert space.name
        assert space.size >= 1

    def test_samples_depend_on_the_generator_alone(self) -> None:
        """Equal seeds draw equal architectures, also from another object and after other draws."""
        first = self.make_space()
        self._drawn(first, seed=1)
        assert self._drawn(first) == self._drawn(self.make_space())

    def test_architectures_are_records(self) -> None:
        """They know their space, compare by key and survive JSON."""
        space = self.make_space()
        for architecture in self._drawn(space):
            assert architecture.space == space.name
            assert architecture.family
            copy = Architecture.from_dict(json.loads(json.dumps(architecture.to_dict())))
            assert copy == architecture
            assert hash(copy) == hash(architecture)
            assert copy.text == architecture.text

    def test_a_restored_architecture_is_used_like_the_original(self) -> None:
        """Everything a space needs to know is in the architecture's text."""
        space, other = self.make_space(), self.make_space()
        for architecture in self._drawn(space):
            copy = Architecture.from_dict(architecture.to_dict())
            np.testing.assert_array_equal(other.features(copy), space.features(architecture))
            assert other.graph(copy) == space.graph(architecture)
            assert other.describe(copy) == space.describe(architecture)

    def test_features_are_finite_and_of_one_length(self) -> None:
        """Every architecture gives a float vector (F,) of the same F."""
        space = self.make_space()
        drawn = [space.features(architecture) for architecture in self._drawn(space)]
        assert all(vector.ndim == 1 and vector.dtype == np.float64 for vector in drawn)
        assert len({vector.shape for vector in drawn}) == 1
        assert np.isfinite(np.stack(drawn)).all()

    def test_neighbours_are_distinct_others(self) -> None:
        """No neighbour is repeated or the architecture itself; the order is the generator's."""
        space = self.make_space()
        for architecture in self._drawn(space):
            near = space.neighbours(architecture, np.random.default_rng(3))
            assert len(set(near)) == len(near)
            assert architecture not in near
            assert near == space.neighbours(architecture, np.random.default_rng(3))
            assert all(space.features(n).shape == space.features(architecture).shape for n in near)

    def test_labels_are_short_text(self) -> None:
        """Stratum and description are one line each, the graph goes forward from vertex 0."""
        space = self.make_space()
        for architecture in self._drawn(space):
            assert space.stratum(architecture)
            description = space.describe(architecture)
            assert description
            assert "\n" not in description
            edges = space.graph(architecture)
            assert all(0 <= i < j and operation for i, j, operation in edges)
            assert not edges or min(i for i, _, _ in edges) == 0

    def test_networks_map_samples_to_logits(self) -> None:
        """A built network trains on a batch, and answers for a single sample."""
        space = self.make_space()
        torch.manual_seed(0)
        for architecture in self._drawn(space):
            model = space.build(architecture, self.input_shape, self.classes)
            logits = model(torch.randn(4, *self.input_shape))
            assert logits.shape == (4, self.classes)
            logits.square().sum().backward()
            gradients = [p.grad for p in model.parameters() if p.requires_grad]
            assert gradients
            assert all(g is not None and bool(torch.isfinite(g).all()) for g in gradients)
            model.eval()
            assert model(torch.randn(1, *self.input_shape)).shape == (1, self.classes)

    def test_equal_seeds_build_equal_networks(self) -> None:
        """Weights depend on torch's seed and on the architecture only."""
        space = self.make_space()
        architecture = self._drawn(space)[0]
        states = []
        for _ in range(2):
            torch.manual_seed(7)
            states.append(space.build(architecture, self.input_shape, self.classes).state_dict())
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])

    def test_resize_changes_widths_and_nothing_else(self) -> None:
        """The widths asked for are the widths got; going back gives the same key."""
        space = self.make_space()
        for architecture in self._drawn(space):
            widths = space.widths(architecture)
            assert space.resize(architecture, widths) == architecture
            wider = tuple(2 * width for width in widths)
            resized = space.resize(architecture, wider)
            assert space.widths(resized) == wider
            assert not widths or resized != architecture
            assert space.graph(resized) == space.graph(architecture)
            assert space.resize(resized, widths) == architecture
