"""front() and shadow_price(): equality with brute force, what a price does, limits."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import Limits, cheapest_as_good, front, select, shadow_price


def brute_front(loss, weight, macs, experts, min_share=0.0):
    """Every non-dominated (MACs, loss) over all sets and routings, cheapest first."""
    share = weight / weight.sum()
    clusters = np.arange(loss.shape[1])
    found = set()
    for chosen in itertools.combinations(range(len(loss)), experts):
        for routing in itertools.product(chosen, repeat=loss.shape[1]):
            serving = np.array(routing)
            values = loss[serving, clusters]
            if not np.isfinite(values).all():
                continue
            if min(share[serving == k].sum() for k in chosen) < min_share - 1e-9:
                continue
            found.add((float(share @ macs[serving]), float(share @ values)))
    kept = []
    for point in sorted(found):
        if not kept or point[1] < kept[-1][1] - 1e-9:
            kept.append(point)
    return kept


@st.composite
def banks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, clusters = draw(st.integers(2, 6)), draw(st.integers(2, 4))
    loss = rng.random((rows, clusters)) + 0.1
    if draw(st.booleans()):
        loss[1:][rng.random((rows - 1, clusters)) < 0.2] = np.nan
    macs = rng.choice([1.0, 2.0, 3.0, 5.0, 8.0], rows) * 1e6
    return loss, rng.random(clusters) + 0.05, macs, draw(st.integers(1, min(3, rows, clusters)))


@settings(max_examples=40, deadline=None)
@given(banks(), st.sampled_from([0.0, 0.1]))
def test_the_front_is_that_of_brute_force_unsupported_points_among_it(bank, min_share):
    loss, weight, macs, experts = bank
    expected = brute_front(loss, weight, macs, experts, min_share)
    if not expected:
        with pytest.raises(InputError):
            front(loss, weight, macs, experts, limits=Limits(min_share=min_share))
        return
    found = front(loss, weight, macs, experts, limits=Limits(min_share=min_share), points=100_000)
    # what is nearer than one part in a hundred thousand is one point
    assert len(found) <= len(expected)
    for point in found:
        assert any(np.allclose(point[:2], one, rtol=1e-6) for one in expected)
    for one in expected:
        assert any(
            point.macs <= one[0] * (1 + 2e-5) and point.objective <= one[1] + 1e-6
            for point in found
        )


@settings(max_examples=40, deadline=None)
@given(banks(), st.floats(0, 1e6), st.integers(2, 9))
def test_the_front_is_monotone_and_its_points_are_what_they_say(bank, gate, points):
    loss, weight, macs, experts = bank
    share = weight / weight.sum()
    try:
        found = front(loss, weight, macs, experts, gate=gate, points=points)
    except InputError:
        return
    assert 1 <= len(found) <= points + 1
    for before, after in itertools.pairwise(found):
        assert before.macs < after.macs
        assert before.objective > after.objective
    for point in found:
        serving = np.array([point.chosen[k] for k in point.routing.argmax(axis=1)])
        assert point.macs == pytest.approx(share @ macs[serving] + gate)
        assert point.objective == pytest.approx(share @ loss[serving, np.arange(len(share))])
    plain = select(loss, weight, experts, exact=True)
    assert found[-1].objective == pytest.approx(plain.objective, abs=1e-6)


def paid(selection, share, macs):
    return float(share @ macs[selection.assignment])


@settings(max_examples=40, deadline=None)
@given(banks(), st.floats(0, 1e-6), st.floats(0, 1e-6))
def test_a_higher_price_never_buys_more_and_none_changes_nothing(bank, one, other):
    loss, weight, macs, experts = bank
    share = weight / weight.sum()
    low, high = sorted((one, other))
    try:
        cheap = select(loss, weight, experts, exact=True, macs=macs, price=high)
    except InputError:
        return
    dear = select(loss, weight, experts, exact=True, macs=macs, price=low)
    free = select(loss, weight, experts, exact=True, macs=macs, price=0.0)
    plain = select(loss, weight, experts, exact=True)
    assert (free.chosen, free.objective) == (plain.chosen, plain.objective)
    if high - low > 1e-9:  # else the two may be equally good at both prices
        assert paid(cheap, share, macs) <= paid(dear, share, macs) * (1 + 1e-9)
    # a choice under a price lies on the front
    points = front(loss, weight, macs, experts, points=100_000)
    value = cheap.objective
    assert min(p.objective + high * p.macs for p in points) == pytest.approx(value, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(banks(), st.floats(0.5e6, 9e6))
def test_the_shadow_price_is_the_least_that_keeps_the_limit(bank, limit):
    loss, weight, macs, experts = bank
    loss = np.nan_to_num(loss, nan=0.5)
    share = weight / weight.sum()
    price = shadow_price(loss, weight, macs, experts, limit)
    if not np.isfinite(price):
        assert macs.min() > limit
        return
    above = select(loss, weight, experts, exact=True, macs=macs, price=price * (1 + 1e-4) + 1e-12)
    assert paid(above, share, macs) <= limit * (1 + 1e-9)
    if price > 0:
        below = select(loss, weight, experts, exact=True, macs=macs, price=price * (1 - 1e-4))
        assert paid(below, share, macs) > limit * (1 - 1e-9)


def test_an_unsupported_point_is_found():
    loss = np.array([[1.0, 1.0], [0.55, 9.0], [0.0, 0.0]])
    macs = np.array([1.0, 2.0, 3.0])
    found = front(loss, [1, 1], macs, 2, points=1000)
    told = [(point.macs, round(point.objective, 6)) for point in found]
    # (1.5, .775) and (2.5, .275) are above the line from (1, 1) to (3, 0): no price leads to them
    assert told == [(1.0, 1.0), (1.5, 0.775), (2.0, 0.5), (2.5, 0.275), (3.0, 0.0)]


def test_the_gate_counts_in_the_limit_too():
    loss, macs = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([1.0, 3.0])
    free = front(loss, [1, 1], macs, 2, gate=0.5)
    assert [point.macs for point in free] == [1.5, 2.5, 3.5]
    held = front(loss, [1, 1], macs, 2, gate=0.5, limits=Limits(max_macs=2.6))
    assert [point.macs for point in held] == [1.5, 2.5]
    with pytest.raises(InputError, match="max_macs"):
        front(loss, [1, 1], macs, 2, gate=0.5, limits=Limits(max_macs=1.2))
    with pytest.raises(InputError, match="two ends"):
        front(loss, [1, 1], macs, 2, points=1)


def test_the_cheapest_that_is_as_good():
    points = [(1.0, 0.9), (2.0, 0.5), (4.0, 0.5), (8.0, 0.1)]
    assert cheapest_as_good(points, 0.5) == 2.0
    assert cheapest_as_good(points, 0.2) == 8.0
    assert cheapest_as_good(points, 0.0) is None


def test_what_no_cluster_of_weight_asks_is_not_needed_for_a_shadow_price():
    loss = np.array([[1.0, np.nan, 2.0], [0.5, 1.0, 1.5], [0.4, np.nan, 0.5]])
    macs = [10.0, 20.0, 40.0]
    told = shadow_price(loss, [0.5, 0.0, 0.5], macs, 1, 25)
    assert told == shadow_price(loss[:, [0, 2]], [0.5, 0.5], macs, 1, 25)
