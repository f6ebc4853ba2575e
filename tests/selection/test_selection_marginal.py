"""How many experts: as many as there are true domains, whatever the clusters and the noise."""

import numpy as np
import pytest

from moesaic.errors import InputError
from moesaic.selection import climb, marginal_gain
from moesaic.structure import join_clusters

HALVES = 2  # clusters in every domain


class World:
    """Domains of two clusters each; an expert is worse the more domains share it."""

    def __init__(self, domains, seed, *, samples=1500, strays=0.02, interference=0.15):
        self.rng = np.random.default_rng(seed)
        self.domain = np.arange(HALVES * domains) // HALVES  # of every cluster
        # domains far apart, the first two nearer; the halves of a domain close together
        line = np.array([0.0, 8.0, 20.0, 31.0])[:domains]
        self.centres = np.stack([line[self.domain], np.arange(HALVES * domains) % HALVES], axis=1)
        self.cluster = self.rng.integers(0, HALVES * domains, samples)
        self.named = self.cluster.copy()
        wrong = self.rng.random(samples) < strays
        self.named[wrong] = self.rng.integers(0, HALVES * domains, int(wrong.sum()))
        self.hardness = self.rng.exponential(0.5, samples)
        self.interference = interference
        self.asked = []

    def expert(self, inside):
        """Return the sample losses of an expert trained on these clusters, (N,)."""
        own = set(self.domain[inside].tolist())
        loss = 0.4 + self.interference * (len(own) - 1) + self.hardness
        at_home = np.isin(self.domain[self.cluster], list(own))
        loss = loss + np.where(at_home, 0.0, 2.0)
        abroad = at_home & ~inside[self.cluster]  # its domain, but not its half
        loss = loss + np.where(abroad, 0.3, 0.0)
        return np.maximum(loss + 0.3 * self.rng.standard_normal(len(loss)), 0.0)

    def candidates(self, count):
        self.asked.append(count)
        group = join_clusters(self.centres, np.ones(len(self.centres)), count)
        return np.stack([self.expert(group == name) for name in range(count)])

    def found(self, least_share=0.01):
        return climb(
            self.candidates,
            self.named,
            len(self.centres),
            least_share=least_share,
            rng=lambda few, more: np.random.default_rng((few, more)),
        )


@pytest.mark.parametrize("domains", [1, 2, 3, 4])
def test_as_many_experts_as_domains(domains):
    for seed in range(2):
        world = World(domains, seed)
        experts, steps = world.found()
        assert experts == domains
        assert world.asked == list(range(1, min(domains + 2, HALVES * domains) + 1))
        assert [step.pays for step in steps if step.more <= domains] == [True] * (domains - 1)
        assert not any(step.pays for step in steps if step.few == domains)


def test_a_third_domain_is_found_where_a_second_expert_does_not_pay():
    # two experts divide nothing that matters: the split is within a domain
    world = World(3, 0)
    plain = world.candidates

    def candidates(count):
        return plain(1) + 0.001 if count == 2 else plain(count)

    world.candidates = candidates
    experts, steps = world.found()
    assert [(one.few, one.more, one.pays) for one in steps[:2]] == [(1, 2, False), (1, 3, True)]
    assert experts == 3


def test_a_gain_that_is_real_and_too_small_does_not_pay():
    world = World(2, 0, interference=0.15)
    assert world.found(least_share=0.5)[0] == 1
    assert World(2, 0).found(least_share=0.01)[0] == 2


def test_what_the_gate_cannot_see_does_not_pay():
    assert World(2, 0, strays=0.3).found()[0] == 1


def test_it_stops_where_it_is_told_to():
    world = World(3, 0)

    def candidates(count):
        return None if count == 3 else world.candidates(count)

    rng = lambda few, more: np.random.default_rng(0)  # noqa: E731
    experts, steps = climb(candidates, world.named, 6, least_share=0.01, rng=rng)
    assert experts == 2
    assert [(one.few, one.more) for one in steps] == [(1, 2)]
    assert climb(lambda count: None, world.named, 6, least_share=0.01, rng=rng) == (1, [])


def test_noise_alone_gains_nothing():
    rng = np.random.default_rng(0)
    pays = 0
    for _ in range(20):
        losses = 1.0 + 0.5 * rng.standard_normal((8, 600))
        gain, _ = marginal_gain(losses[:1], losses, np.arange(600) % 4, (1, 3), rng=rng, splits=10)
        pays += gain.low > 0
    assert pays <= 1


def test_the_interval_covers_a_known_gain():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(20):
        cluster = rng.integers(0, 2, 500)
        hard = rng.exponential(0.5, 500)
        one = hard[None] + 0.5 + 0.2 * rng.standard_normal((1, 500))
        own = np.arange(2)[:, None] == cluster[None]
        two = hard[None] + np.where(own, 0.4, 2.0) + 0.2 * rng.standard_normal((2, 500))
        gain, loss = marginal_gain(
            one, np.concatenate([one, two]), cluster, (1, 2), rng=rng, splits=10
        )
        covered += gain.low <= 0.1 <= gain.high
        assert loss == pytest.approx(one.mean(), abs=0.02)
    assert covered >= 18


def test_the_same_experts_gain_exactly_nothing():
    losses = np.random.default_rng(0).random((4, 100))
    gain, _ = marginal_gain(
        losses, losses, np.arange(100) % 3, (2, 2), rng=np.random.default_rng(0)
    )
    assert tuple(gain) == (0.0, 0.0, 0.0)


def test_bad_input_is_one_line():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="do not fit"):
        marginal_gain(np.ones((1, 5)), np.ones((2, 6)), np.zeros(5, int), (1, 2), rng=rng)
    with pytest.raises(InputError, match="4 samples"):
        marginal_gain(np.ones((1, 5)), np.ones((2, 5)), np.zeros(5, int), (2, 1), rng=rng)
