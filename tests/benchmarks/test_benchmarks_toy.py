"""The toy benchmark: its points, its judge, its count of trainings."""

import numpy as np
import pytest
from benchmarks._toy_data import VARIANTS, make_world
from benchmarks._toy_experts import Trained, Trainer
from benchmarks._toy_final import RESERVED, assemble
from benchmarks.toy import LEAST, run, run_seed
from sklearn.cluster import KMeans
from sklearn.model_selection import train_test_split

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.spaces import get_space


def test_the_balanced_points_and_clusters_are_the_published_ones():
    rng = np.random.RandomState(322)
    cloud = rng.normal(0, 2, (1000, 2))
    labels = np.where(cloud[:, 0] > cloud[:, 1], 0, 1)
    cloud[:, 0] -= 6
    radius, angle = np.repeat([1.0, 2.0], 500), rng.uniform(0, 2 * np.pi, 1000)
    rings = np.stack([2 + radius * np.cos(angle), radius * np.sin(angle)], 1)
    rings += rng.normal(0, 0.3, (1000, 2))
    order = rng.permutation(1000)
    points = np.concatenate([cloud, rings[order]])
    labels = np.concatenate([labels, np.repeat([2, 3], 500)[order]])
    order = rng.permutation(2000)
    train, validation, _, wanted = train_test_split(
        points[order], labels[order], test_size=0.2, random_state=322
    )
    means = KMeans(20, n_init=10, random_state=322).fit(train)
    world = make_world("balanced", 322)
    np.testing.assert_allclose(world.train.inputs.numpy(), train, atol=1e-5)
    np.testing.assert_array_equal(world.validation.labels.numpy(), wanted)
    np.testing.assert_array_equal(world.train_clusters, means.labels_)
    np.testing.assert_array_equal(world.validation_clusters, means.predict(validation))
    np.testing.assert_array_equal(world.oracle, means.cluster_centers_[:, 0] < -2)
    assert world.oracle.sum() == 13


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_cluster_is_of_one_kind(variant):
    world = make_world(variant, 1)
    labels, clusters = world.train.labels.numpy(), world.train_clusters
    assert len(labels) == 1600
    assert len(world.validation) == 400
    assert world.weight.sum() == pytest.approx(1.0)
    linear = (labels < 2)[:, None] & (clusters[:, None] == np.arange(20))
    share = linear.sum(axis=0) / np.bincount(clusters, minlength=20)
    # a cloud reaches over x0 = -2, so a few points lie on the other side of a centroid
    assert (np.abs(share - world.oracle) < 0.35).all()
    if variant == "imbalanced":
        assert (labels < 2).sum() + (world.validation.labels.numpy() < 2).sum() == 200
    if variant == "multi":
        assert world.oracle.sum() == 10
        assert np.abs(world.train.inputs.numpy()).max() < 6  # relative to the own centroid


def test_too_few_trials_are_refused():
    with pytest.raises(InputError, match="assembly needs"):
        run("balanced", [0], "random", RESERVED + LEAST - 1, 1)


class Scripted(Trainer):
    """Trains nothing: every expert is right on the clusters of its subset, in proportion."""

    def train(self, stage, wanted, steps=None):
        found = []
        for architecture, subset in wanted:
            self.trainings += 1
            labels = self._world.validation.labels.numpy()
            seen = np.array(subset)[self._world.validation_clusters]
            answers = np.where(seen, labels, (labels + 1) % 4)
            trial = Trial("expert", stage, self.trainings, 0, architecture, subset)
            nothing = np.zeros(20)
            observation = Observation(trial, nothing, nothing, 1, 1, 1.0)
            found.append(Trained(observation, answers, np.zeros(len(labels))))
        return found


def test_the_assembly_keeps_to_its_budget_and_prefers_what_bends_least():
    world = make_world("balanced", 0)
    space = get_space("vector_cells")
    bank = []
    for index in range(60):
        architecture = space.sample(np.random.default_rng(index))
        trial = Trial("expert", "search", index, index, architecture)
        loss = np.random.default_rng(index).random(20)
        bank.append(Observation(trial, loss, np.exp(-loss), 1, 1, 1.0))
    trainer = Scripted("balanced", 0, world, None)
    groups = world.oracle.astype(np.int64)
    mixture = assemble(trainer, world, space, bank, groups, 0)
    assert trainer.trainings <= RESERVED
    assert mixture.accuracy == 1.0
    np.testing.assert_array_equal(mixture.routing, groups)
    assert all(space.stratum(one) in ("flat-plain", "flat-linear") for one in mixture.experts)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["joint", "random"])
def test_a_seed_from_end_to_end(strategy):
    trials = RESERVED + LEAST
    row = run_seed("balanced", 0, strategy, trials)
    assert set(row) == {
        *("seed", "agreement", "clusters", "accuracy", "seconds", "trainings", "experts"),
        *("linear_expert",),
    }
    assert row["trainings"] <= trials
    assert 10 <= row["agreement"] <= row["clusters"] == 20
    assert row["accuracy"] > 0.6
    assert len(row["experts"]) == 2
