"""choose_stages(): equality with brute force over pairs and thresholds; what it is told."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import NEVER, choose_stages, choose_thresholds


def case(seed, experts, samples, regions):
    rng = np.random.default_rng(seed)
    sure = rng.choice(np.linspace(0.2, 1.0, 9), (experts, samples))
    place = np.r_[np.arange(regions), rng.integers(0, regions, samples - regions)]
    macs = rng.choice([1.0, 2.0, 5.0, 9.0, 20.0], experts)
    serves = rng.random((experts, regions)) < 0.7
    serves[0] = True
    return sure, rng.random(sure.shape) < 0.6, macs, place, serves


def brute(sure, good, macs, place, serves, price, gate):
    """The least objective over all pairs of all regions, their thresholds tried one by one."""
    least = 0.0
    for region in range(place.max() + 1):
        rows = np.flatnonzero(place == region)
        told = []
        cheapest_first = [e for e in np.argsort(macs, kind="stable") if serves[e, region]]
        for one, two in itertools.combinations_with_replacement(cheapest_first, 2):
            for bound in {0.0, NEVER, *sure[one, rows]}:
                going = sure[one, rows] < bound
                wrong = np.where(going, ~good[two, rows], ~good[one, rows])
                # who is not asked at all costs nothing, neither here nor there
                first = 0.0 if going.all() else macs[one] + gate
                told.append((wrong + price * (first + going * (macs[two] + gate))).sum())
        least += min(told)
    return least / len(place)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 2),
    st.sampled_from([0.0, 0.01, 0.05, 0.3]),
    st.sampled_from([0.0, 1.0]),
)
def test_no_pair_and_no_thresholds_lose_less(seed, experts, regions, price, gate):
    sure, good, macs, place, serves = case(seed, experts, 8, regions)
    found = choose_stages(sure, good, macs, place, price=price, serves=serves, gate=gate)
    expected = brute(sure, good, macs, place, serves, price, gate)
    assert found.objective == pytest.approx(expected)
    assert found.objective == pytest.approx(found.error + price * found.macs)
    assert found.experts.shape == (regions, 2)
    for region, pair in enumerate(found.experts):
        assert serves[pair, region].all()
        # the first is the cheaper
        assert macs[pair[0]] <= macs[pair[1]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.sampled_from([0.005, 0.02, 0.1]))
def test_the_thresholds_of_the_chosen_stages_do_what_was_told(seed, experts, price):
    sure, good, macs, place, _ = case(seed, experts, 30, 2)
    found = choose_stages(sure, good, macs, place, price=price, gate=0.5)
    everyone = np.arange(30)
    first, second = found.experts.T[:, place]
    point = choose_thresholds(
        np.stack([sure[first, everyone], sure[second, everyone]]),
        np.stack([good[first, everyone], good[second, everyone]]),
        np.stack([macs[first], macs[second]]) + 0.5,
        price,
        place,
    )
    assert point.error + price * point.macs == pytest.approx(found.objective)


def brute_within(sure, good, macs, place, serves, limit):
    """The least error of all choices of pairs and thresholds that keep to a limit."""
    told = [(0, 0.0)]
    for region in range(place.max() + 1):
        rows = np.flatnonzero(place == region)
        own = set()
        cheapest_first = [e for e in np.argsort(macs, kind="stable") if serves[e, region]]
        for one, two in itertools.combinations_with_replacement(cheapest_first, 2):
            for bound in {0.0, *sure[one, rows]}:
                going = sure[one, rows] < bound
                wrong = np.where(going, ~good[two, rows], ~good[one, rows]).sum()
                own.add((int(wrong), float(len(rows) * macs[one] + going.sum() * macs[two])))
        told = [(a + c, b + d) for a, b in told for c, d in own]
    return min(wrong for wrong, cost in told if cost <= limit * len(place) + 1e-9) / len(place)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 2), st.floats(0, 1))
def test_no_choice_within_a_limit_is_more_accurate(seed, experts, regions, part):
    sure, good, macs, place, serves = case(seed, experts, 8, regions)
    own = [macs[serves[:, region]] for region in place]
    least, most = (float(np.mean([of(one) for one in own])) for of in (np.min, np.max))
    limit = least + part * (most - least) + 1e-6
    found = choose_stages(sure, good, macs, place, max_macs=limit, serves=serves)
    assert found.macs <= limit
    assert found.error == pytest.approx(brute_within(sure, good, macs, place, serves, limit))


def test_a_dear_expert_that_is_asked_seldom_pays_where_alone_it_would_not() -> None:
    # nine samples of ten are easy and known to be: the cheap expert is sure of what it knows
    easy = np.r_[np.ones(90, bool), np.zeros(10, bool)]
    sure = np.stack([np.where(easy, 0.9, 0.4), np.full(100, 0.8)])
    right = np.stack([easy, np.ones(100, bool)])
    found = choose_stages(sure, right, [1.0, 20.0], np.zeros(100, int), price=0.01)
    assert found.experts.tolist() == [[0, 1]]
    assert found.macs == pytest.approx(1.0 + 0.1 * 20.0)
    assert found.error == 0
    # alone, the dear one costs .2 and the cheap one .11
    dear = choose_stages(sure[1:], right[1:], [20.0], np.zeros(100, int), price=0.01)
    assert dear.objective == pytest.approx(0.2)
    # where nothing tells the hard ones, no pair pays
    blind = choose_stages(
        np.full((2, 100), 0.5), right, [1.0, 20.0], np.zeros(100, int), price=0.01
    )
    assert blind.experts.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"confidence": np.zeros(3)}, "expected (experts, samples)"),
        ({"right": np.ones((2, 4))}, "right has shape"),
        ({"macs": [1.0]}, "macs has shape (1,), expected (2,)"),
        ({"macs": [1.0, -1.0]}, "0 or more"),
        ({"gate": np.inf}, "0 or more"),
        ({"regions": [0, 0, 2]}, "region 1 has 0 samples"),
        ({"regions": [0, 0, -1]}, "regions are 0 or more"),
        ({"serves": np.zeros((2, 1))}, "0 experts"),
        ({"serves": np.ones((1, 1))}, "serves has shape"),
        ({"price": -1.0}, "price is -1.0"),
        ({"price": None}, "either a price or max_macs"),
        ({"max_macs": 5.0}, "either a price or max_macs"),
        ({"price": None, "max_macs": 0.5}, "the cheapest experts need 1 multiply-accumulates"),
        ({"price": None, "max_macs": np.nan}, "over the limit of nan"),
        ({"confidence": np.full((2, 3), 3.0)}, "outside 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(words, told) -> None:
    good = {
        "confidence": np.full((2, 3), 0.5),
        "right": np.ones((2, 3), bool),
        "macs": [1.0, 2.0],
        "regions": [0, 0, 0],
        "price": 0.1,
    }
    with pytest.raises(InputError) as refused:
        choose_stages(**{**good, **words})
    assert told in str(refused.value)
