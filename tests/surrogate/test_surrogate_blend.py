"""The blend: its weights, its intervals, what it learns from graphs, and what it costs to trust."""

import numpy as np
import pytest

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.spaces import get_space
from moesaic.surrogate import get_surrogate
from moesaic.surrogate._conformal import covered, widths
from moesaic.surrogate._inputs import as_graph
from moesaic.surrogate._stack import mixed, stacking_weights
from moesaic.surrogate._validate import HeldOut
from moesaic.surrogate._weisfeiler_lehman import GraphKernel, labels


def held(target, mean, std=1.0, folds=5):
    target, mean = np.asarray(target, float), np.asarray(mean, float)
    return HeldOut(target, mean, np.full(mean.shape, std), np.arange(len(target)) % folds)


def cells(count, seed=0):
    """Distinct cells of NAS-Bench-201 with a made-up loss that is in their graphs only."""
    space = get_space("nasbench201")
    rng = np.random.default_rng(seed)
    found = {}
    while len(found) < count:
        one = space.sample(rng)
        found[one.key] = one
    observations = []
    for place, one in enumerate(found.values()):
        graph = space.graph(one)
        deep = sum(op == "nor_conv_3x3" for i, _, op in graph if i > 0)
        loss = np.exp(0.2 * np.array([-deep, -deep + 0.5 * len(graph)]))
        loss = loss * np.exp(0.05 * rng.standard_normal(2))
        observations.append(
            Observation(Trial("expert", "t", place, 0, one), loss, np.exp(-loss), 1, 1, 1.0)
        )
    return space, observations


def test_weights_are_a_mixture_and_find_the_model_that_knows():
    rng = np.random.default_rng(0)
    target = rng.standard_normal((300, 3))
    good = held(target, target + 0.2 * rng.standard_normal(target.shape))
    bad = held(target, rng.standard_normal(target.shape))
    weights = stacking_weights({"good": good, "bad": bad})
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["good"] > 0.9
    assert min(weights.values()) >= 0.0
    assert stacking_weights({"only": bad}) == {"only": 1.0}


def test_complementary_models_share_the_weight_and_few_observations_keep_it_equal():
    rng = np.random.default_rng(0)
    target = rng.standard_normal((400, 1))
    first, second = (held(target, target + rng.standard_normal((400, 1))) for _ in range(2))
    weights = stacking_weights({"first": first, "second": second})
    assert weights["first"] == pytest.approx(0.5, abs=0.1)
    few = {"good": held(target[:8], target[:8]), "bad": held(target[:8], -target[:8])}
    many = {"good": held(target, target), "bad": held(target, -target)}
    assert stacking_weights(few)["bad"] > stacking_weights(many)["bad"]


def test_outliers_do_not_decide_the_weights():
    """One failed expert, a hundred times off, is one rank among many."""
    rng = np.random.default_rng(0)
    target = rng.standard_normal((200, 1))
    target[0] = 100.0
    ranks = target + 0.3 * rng.standard_normal(target.shape)
    ranks[0] = 3.0
    fails = rng.standard_normal(target.shape)
    fails[0] = 100.0
    weights = stacking_weights({"ranks": held(target, ranks), "fails": held(target, fails)})
    assert weights["ranks"] > 0.8


def test_gaps_and_clusters_without_values_are_weighed_around():
    target = np.random.default_rng(0).standard_normal((40, 3))
    mean = target.copy()
    target[:, 0] = np.nan
    target[::2, 1] = np.nan
    weights = stacking_weights({"right": held(target, mean), "wrong": held(target, -mean)})
    assert weights["right"] > weights["wrong"]
    nothing = held(np.full((4, 1), np.nan), np.zeros((4, 1)))
    assert stacking_weights({"a": nothing, "b": nothing}) == {"a": 0.5, "b": 0.5}


def test_what_models_disagree_on_is_uncertain():
    one, other = np.zeros((1, 1)), np.full((1, 1), 2.0)
    mean, std = mixed([(one, one + 1.0), (other, one + 1.0)], [0.5, 0.5])
    assert mean.item() == pytest.approx(1.0)
    assert std.item() == pytest.approx(np.sqrt(2.0))


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_widths_hold_their_level_whatever_the_errors_look_like(level):
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        errors = np.abs(rng.standard_t(2, size=(101, 2)))
        inside.append(errors[100] <= widths(errors[:100], level))
    assert np.mean(inside) == pytest.approx(level, abs=0.05)


def test_a_cluster_with_few_values_takes_the_width_of_all():
    score = np.ones((60, 2))
    score[5:, 1] = np.nan
    score[:5, 1] = 9.0
    assert widths(score, 0.5).tolist() == [1.0, 1.0]
    assert widths(np.full((3, 1), np.nan), 0.5).tolist() == [1.0]


def test_coverage_is_that_of_the_folds_left_out():
    rng = np.random.default_rng(0)
    target = rng.standard_normal((500, 2))
    assert covered(held(target, 0 * target, std=0.1), 0.9) == pytest.approx([0.9, 0.9], abs=0.03)


def test_intervals_of_the_blend_cover_new_cells():
    space, observations = cells(160)
    surrogate = get_surrogate("blend", space)
    surrogate.fit(observations[:60])
    fresh = [one.trial.architecture for one in observations[60:]]
    truth = np.stack([one.loss for one in observations[60:]])
    low, high = surrogate.interval(fresh, 0.9)
    near, far = surrogate.interval(fresh, 0.5)
    assert np.all((low > 0) & (low < near) & (near < far) & (far < high))
    assert np.mean((low <= truth) & (truth <= high)) > 0.8
    assert np.mean((near <= truth) & (truth <= far)) < 0.75
    assert sum(surrogate.quality.weights.values()) == pytest.approx(1.0)
    with pytest.raises(InputError, match="level is 90"):
        surrogate.interval(fresh, 90)


def test_before_anything_can_be_validated_there_is_an_interval_all_the_same():
    space, observations = cells(3)
    surrogate = get_surrogate("blend", space)
    surrogate.fit(observations)
    low, high = surrogate.interval([observations[0].trial.architecture])
    assert np.all((low > 0) & (low < high))
    assert surrogate.quality.weights == {}


def test_equal_graphs_are_alike_and_the_kernel_is_positive():
    space, observations = cells(40)
    graphs = [as_graph(space.graph(one.trial.architecture)) for one in observations]
    kernel = GraphKernel()
    among = kernel.fit(graphs)
    assert np.diag(among) == pytest.approx(1.0)
    assert np.linalg.eigvalsh(among).min() > -1e-9
    assert among.max() <= 1.0 + 1e-12
    assert among.min() >= 0.0
    assert kernel.across(graphs[5:8]) == pytest.approx(among[5:8])


def test_labels_see_what_lies_around_a_vertex():
    first = labels(((0, 1, "a"), (1, 2, "b")))
    second = labels(((0, 1, "b"), (1, 2, "a")))
    assert sorted(first[0]) == sorted(second[0])
    assert not set(first[2]) & set(second[2])
    renamed = labels(((0, 2, "a"), (2, 3, "b")))
    assert all(sorted(one) == sorted(two) for one, two in zip(first, renamed, strict=True))


def test_the_kernel_equals_counting_by_hand():
    kernel = GraphKernel()
    among = kernel.fit([((0, 1, "a"), (0, 1, "a"), (0, 1, "b")), ((0, 1, "b"),), ()])
    # Operations: (2, 1) against (0, 1). Levels 1 and 2 have nothing in common: what enters and
    # leaves the vertices differs.
    assert among[0, 1] == pytest.approx(1.0 / np.sqrt(5.0) / 3.0)
    assert among[2].tolist() == [0.0, 0.0, 1.0]
