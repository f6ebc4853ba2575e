"""Router metrics against loops over the definitions, their limits, and what is refused."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.mixture import router_metrics


def draw(samples, experts, count, top_k, seed, sharp):
    rng = np.random.default_rng(seed)
    powers = np.exp(sharp * rng.normal(size=(samples, experts)))
    weights = powers / powers.sum(axis=1, keepdims=True)
    chosen = np.argsort(-weights, axis=1)[:, :top_k].astype(np.int64)
    return weights, chosen, rng.integers(0, count, samples)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    samples=st.integers(1, 250),
    experts=st.integers(1, 6),
    count=st.integers(1, 5),
    seed=st.integers(0, 99),
    sharp=st.sampled_from([0.0, 1.0, 6.0, 60.0]),
)
def test_the_metrics_are_those_of_the_definitions(data, samples, experts, count, seed, sharp):
    top_k = data.draw(st.integers(1, experts))
    weights, chosen, clusters = draw(samples, experts, count, top_k, seed, sharp)
    found = router_metrics(weights, chosen, clusters, count)
    firsts = [int(row[0]) for row in chosen]
    assert found.utilisation.tolist() == [firsts.count(k) / samples for k in range(experts)]
    used = [
        sum(1 for i in range(samples) if k in chosen[i] and weights[i, k] >= 0.01)
        for k in range(experts)
    ]
    assert found.dead == tuple(k for k in range(experts) if used[k] / samples < 0.01)
    entropies = [-sum(w * math.log(w) for w in row if w > 0) for row in weights]
    assert found.entropy == pytest.approx(sum(entropies) / samples, abs=1e-9)
    mean = [sum(weights[:, k]) / samples for k in range(experts)]
    expected = math.exp(-sum(w * math.log(w) for w in mean if w > 0))
    assert found.effective == pytest.approx(expected, rel=1e-9)
    for cluster in range(count):
        members = [i for i in range(samples) if clusters[i] == cluster]
        if members:
            row = [sum(weights[i, k] for i in members) / len(members) for k in range(experts)]
            assert found.table[cluster].tolist() == pytest.approx(row)
        else:
            assert np.isnan(found.table[cluster]).all()
    # limits
    filled = found.table[~np.isnan(found.table).any(axis=1)]
    assert filled.sum(axis=1) == pytest.approx(np.ones(len(filled)))
    assert found.utilisation.sum() == pytest.approx(1)
    assert 1 - 1e-9 <= found.effective <= experts + 1e-9
    assert 0 <= found.entropy <= math.log(experts) + 1e-9
    # concavity: the mean of the weights is at least as undecided as the weights
    assert math.log(found.effective) >= found.entropy - 1e-9
    assert len(found.dead) < experts


def test_a_dense_mixture_has_dead_experts_too():
    """All run, but one has no weight worth the name."""
    weights = np.tile([0.6, 0.395, 0.005], (200, 1))
    chosen = np.tile([0, 1, 2], (200, 1))
    found = router_metrics(weights, chosen, np.zeros(200, np.int64), 1)
    assert found.dead == (2,)
    assert found.utilisation.tolist() == [1, 0, 0]  # the second is never first, and not dead


@pytest.mark.parametrize(("times", "dead"), [(1, (1,)), (2, ())])
def test_the_threshold_of_death_is_one_sample_in_a_hundred(times, dead):
    chosen = np.zeros((200, 1), np.int64)
    chosen[:times] = 1
    weights = np.full((200, 2), 0.5)
    assert router_metrics(weights, chosen, np.zeros(200, np.int64), 1).dead == dead


def test_the_form_for_storage_is_json_and_says_its_threshold():
    weights, chosen, clusters = draw(50, 3, 2, 1, 0, 1.0)
    found = router_metrics(weights, chosen, np.where(clusters == 1, 2, 0), 3)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["dead_below"] == 0.01
    assert told["table"][1] is None
    assert told["table"][0] == pytest.approx(found.table[0].tolist())
    assert told["utilisation"] == found.utilisation.tolist()
    assert set(told) == {"utilisation", "dead", "dead_below", "effective", "entropy", "table"}


@pytest.mark.parametrize(
    ("weights", "samples", "message"),
    [
        (np.zeros((0, 2)), 0, "at least one"),
        (np.full((4, 2), 0.5), 3, "the same number of each"),
        (np.full((4, 2), 0.7), 4, "not shares"),
        (np.tile([1.5, -0.5], (4, 1)), 4, "not shares"),
        (np.full((4, 2), np.nan), 4, "not shares"),
    ],
)
def test_what_is_no_routing_is_refused(weights, samples, message):
    zeros = np.zeros(samples, np.int64)
    with pytest.raises(InputError, match=message):
        router_metrics(weights, zeros[:, None], zeros, 1)
