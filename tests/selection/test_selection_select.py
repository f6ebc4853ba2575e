"""select(): equality with brute force, limits obeyed, invariances."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import Limits, select
from moesaic.selection._exact import solve
from moesaic.selection._problem import SLACK, prepare


def brute(loss, weight, experts, limits, macs, parameters, price=0.0):
    """Best objective over every set and every routing, infinite when there is none."""
    share = weight / weight.sum()
    best = np.inf
    clusters = np.arange(loss.shape[1])
    for chosen in itertools.combinations(range(len(loss)), experts):
        if not set(limits.must_have) <= set(chosen) or set(limits.must_not) & set(chosen):
            continue
        if limits.max_parameters is not None and (
            parameters[list(chosen)].sum() > limits.max_parameters * (1 + SLACK)
        ):
            continue
        for routing in itertools.product(chosen, repeat=loss.shape[1]):
            serving = np.array(routing)
            values = loss[serving, clusters]
            if not np.isfinite(values).all():
                continue
            if limits.max_macs is not None and share @ macs[serving] > limits.max_macs * (
                1 + SLACK
            ):
                continue
            if min(share[serving == k].sum() for k in chosen) < limits.min_share - SLACK:
                continue
            best = min(best, float(share @ (values + price * macs[serving])))
    return best


def check(selection, loss, weight, experts, limits, macs, parameters, price=0.0):
    """The selection is what it says it is, and obeys the limits."""
    share = weight / weight.sum()
    assert list(selection.chosen) == sorted(set(selection.chosen))
    assert len(selection.chosen) == experts
    assert selection.routing.shape == (loss.shape[1], experts)
    assert np.array_equal(np.unique(selection.routing.sum(axis=1)), [1.0])
    serving = selection.assignment
    values = loss[serving, np.arange(loss.shape[1])] + price * macs[serving]
    assert share @ values == pytest.approx(selection.objective, abs=1e-9)
    assert selection.bound <= selection.objective + 1e-12
    assert set(limits.must_have) <= set(selection.chosen)
    assert not set(limits.must_not) & set(selection.chosen)
    if limits.max_parameters is not None:
        assert parameters[list(selection.chosen)].sum() <= limits.max_parameters * (1 + 2 * SLACK)
    if limits.max_macs is not None:
        assert share @ macs[serving] <= limits.max_macs * (1 + 2 * SLACK)
    used = share @ selection.routing
    assert used.min() >= limits.min_share - 2 * SLACK


@st.composite
def problems(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rows, clusters = draw(st.integers(2, 6)), draw(st.integers(2, 4))
    experts = draw(st.integers(1, min(3, rows, clusters)))
    loss = np.round(rng.random((rows, clusters)), draw(st.sampled_from([1, 6])))
    if draw(st.booleans()):
        loss[rng.random(loss.shape) < 0.2] = np.nan
    limits = Limits(
        max_macs=draw(st.none() | st.floats(2, 9)),
        max_parameters=draw(st.none() | st.integers(4, 25)),
        min_share=draw(st.sampled_from([0.0, 0.0, 0.1, 0.3])),
        must_have=draw(st.sampled_from([(), (0,)])),
        must_not=draw(st.sampled_from([(), (1,)])),
    )
    macs, parameters = rng.integers(1, 10, rows) * 1.0, rng.integers(1, 10, rows) * 1.0
    price = draw(st.sampled_from([0.0, 0.05]))
    return loss, rng.random(clusters) + 0.05, experts, limits, macs, parameters, price


@settings(max_examples=150, deadline=None)
@given(problems())
def test_exact_equals_brute_force_and_swaps_are_never_below(problem):
    loss, weight, experts, limits, macs, parameters, price = problem
    best = brute(*problem)
    given_ = {"macs": macs, "parameters": parameters, "price": price}
    if not np.isfinite(best):
        for exact in (True, False, None):
            with pytest.raises(InputError):
                select(loss, weight, experts, limits, exact=exact, **given_)
        return
    exact = select(loss, weight, experts, limits, exact=True, **given_)
    check(exact, *problem)
    assert exact.objective == pytest.approx(best, abs=1e-8)
    assert exact.proven_optimal
    quick = select(loss, weight, experts, limits, exact=False, **given_)
    check(quick, *problem)
    assert quick.objective >= best - 1e-8
    assert quick.bound <= best + 1e-8


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_branch_and_bound_agrees_with_the_mixed_integer_program(seed, experts):
    rng = np.random.default_rng(seed)
    loss, weight = rng.random((25, 8)), rng.random(8) + 0.1
    found = select(loss, weight, experts, exact=True)
    program = solve(prepare(loss, weight / weight.sum(), experts, Limits(), None, None, 0.0))
    assert program.finished
    assert found.objective == pytest.approx(program.plan.objective, abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_growing_bank_never_makes_it_worse(seed):
    rng = np.random.default_rng(seed)
    loss, weight = rng.random((40, 6)), rng.random(6)
    values = [select(loss[:rows], weight, 3).objective for rows in (3, 10, 20, 40)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("limits", [Limits(), Limits(min_share=0.2), Limits(max_macs=5.0)])
def test_dominated_experts_change_nothing(limits):
    rng = np.random.default_rng(3)
    loss, macs = rng.random((12, 5)), rng.integers(1, 9, 12) * 1.0
    weight = rng.random(5) + 0.2
    plain = select(loss, weight, 3, limits, exact=True, macs=macs)
    worse = np.vstack([loss, loss + 0.01, loss + rng.random(loss.shape)])
    more = select(worse, weight, 3, limits, exact=True, macs=np.tile(macs, 3))
    if limits.min_share == 0.0:
        assert more.chosen == plain.chosen
    assert more.objective <= plain.objective + 1e-12
    assert more.proven_optimal


def test_rows_in_another_order_give_the_same_experts():
    rng = np.random.default_rng(5)
    loss, weight = rng.random((60, 8)), rng.random(8)
    order = rng.permutation(60)
    plain, shuffled = select(loss, weight, 4), select(loss[order], weight, 4)
    assert sorted(order[list(shuffled.chosen)]) == list(plain.chosen)


def test_ties_go_to_the_better_alone_then_the_lower_row():
    loss = np.array([[0.9, 0.9], [0.1, 0.2], [0.5, 0.5], [0.1, 0.2]])
    selection = select(loss, [1, 1], 2)
    assert selection.chosen == (1, 3)
    assert np.array_equal(selection.routing, [[1, 0], [1, 0]])


def test_clusters_of_weight_zero_cost_nothing_but_are_routed():
    loss = np.array([[0.1, 5.0, np.nan], [0.3, 0.2, np.nan], [9.0, 9.0, np.nan]])
    selection = select(loss, [2.0, 0.0, 0.0], 2)
    assert selection.objective == pytest.approx(0.1)
    assert selection.chosen == (0, 1)
    assert selection.assignment.tolist() == [0, 1, 0]


def test_a_price_on_macs_moves_clusters_to_the_cheap_expert():
    loss = np.array([[0.50, 0.50], [0.10, 0.45]])
    macs = np.array([1e6, 5e6])
    free = select(loss, [1, 1], 2, macs=macs)
    paid = select(loss, [1, 1], 2, macs=macs, price=0.05e-6)
    assert free.assignment.tolist() == [1, 1]
    assert paid.assignment.tolist() == [1, 0]


@pytest.mark.slow
def test_five_hundred_experts_are_proven():
    rng = np.random.default_rng(0)
    selection = select(rng.random((500, 30)), np.ones(30), 4, exact=True)
    assert selection.proven_optimal
    assert select(rng.random((500, 30)), np.ones(30), 4).proven_optimal


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"experts": 4}, "4 experts for 3 clusters"),
        ({"experts": 0}, "0 experts"),
        ({"weight": [1, 1]}, "weight"),
        ({"weight": [1, -1, 1]}, "negative"),
        ({"limits": Limits(max_macs=5)}, "macs"),
        ({"limits": Limits(max_parameters=1), "parameters": [1, 2, 3]}, "max_parameters 1 is too"),
        ({"limits": Limits(max_macs=0.5), "macs": [1, 2, 3]}, "max_macs 0.5 is too low"),
        ({"limits": Limits(min_share=0.6)}, "min_share 0.6"),
        ({"limits": Limits(must_have=(0,), must_not=(0,))}, "must_have and in must_not"),
        ({"limits": Limits(must_not=(0, 1))}, "only 1 may be chosen"),
        ({"limits": Limits(must_have=(7,))}, "outside 0 .. 2"),
        ({"loss": [[1, 1, np.nan]] * 3}, "no allowed expert was measured"),
        ({"loss": [[1, 1, np.nan], [np.nan, 1, 1], [np.nan, 1, np.nan]], "experts": 1}, "together"),
        (
            {
                "limits": Limits(max_macs=1.8, min_share=0.3),
                "macs": [1, 4, 4],
                "weight": [2, 2, 2],
                "parameters": [1, 1, 1],
            },
            "max_macs or min_share",
        ),
    ],
)
def test_impossible_requests_say_why(arguments, words):
    loss = np.array([[0.1, 0.9, 0.5], [0.9, 0.1, 0.5], [0.5, 0.5, 0.5]])
    request = {"loss": loss, "weight": [1.0, 1.0, 1.0], "experts": 2, **arguments}
    with pytest.raises(InputError, match=words):
        select(**request)
