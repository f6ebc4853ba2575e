"""Sizes of specialists: which are trained, on what, and that the choice can only gain."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.config import make_config
from moesaic.runs._sizing import (
    FINER_SIZES,
    MOST_SIZES,
    OWN_SIZES,
    RIVAL_SIZES,
    SMALLEST_BATCH,
    Sizing,
    apart,
    nearest,
)
from moesaic.spaces import Architecture, SizedSpace, get_space

SHAPE = (3, 16, 16)
WEIGHT = np.array([0.3, 0.2, 0.5])
GROUPS = np.array([0, 0, 1])
OTHER = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|"
CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def space() -> SizedSpace:
    return SizedSpace(get_space("nasbench201"), (0.35, 0.5, 0.7, 1.0, 1.4, 2.0), (), (1, 2))


def expert(architecture: Architecture, loss: list[float]) -> Observation:
    macs = space().estimate_macs(architecture, SHAPE, 4) or 0
    trial = Trial("expert", "specialise-2-0", 0, 0, architecture)
    return Observation(trial, np.array(loss), np.zeros(3), macs, 1, 1.0)


def sizing() -> Sizing:
    config = make_config({"data": "digits", "price": 1.0, "rungs": (2, 5)})
    return Sizing(config, space(), "specialise-2-2", SHAPE, 4, 10)


def planned(
    price: float,
    generalists: list[Observation] | None = None,
    weight: NDArray[np.float64] = WEIGHT,
) -> list[Trial]:
    inner = space().inner
    experts = [
        expert(inner.parse(f"{CELL} [8-16-32 x1]"), [0.1, 0.2, 3.0]),
        expert(inner.parse(f"{CELL} [11-22-45 x1 /2]"), [2.0, 2.0, 1.0]),
    ]
    return sizing().first(experts, generalists or experts, GROUPS, weight, price)


def measured(trials: list[Trial]) -> list[Observation]:
    """What the trials would measure, if it mattered; only their cost does."""
    costs = [space().estimate_macs(t.architecture, SHAPE, 4) or 0 for t in trials if t.architecture]
    nothing = np.zeros(3)
    return [
        Observation(trial, nothing, nothing, macs, 1, 1.0)
        for trial, macs in zip(trials, costs, strict=True)
    ]


def test_each_expert_is_trained_from_scratch_on_its_own_clusters_at_its_own_and_other_sizes() -> (
    None
):
    trials = planned(0.0)
    assert len({trial.index for trial in trials}) == len(trials) == 2 * OWN_SIZES
    for trial in trials:
        first = trial.index < MOST_SIZES
        assert trial.subset == ((True, True, False) if first else (False, False, True))
        assert trial.parent is None
        assert trial.recipe["epochs"] == 10
        assert trial.recipe["batch_size"] == 64  # each serves half of what the mixture sees
        assert trial.architecture is not None
        assert space().describe(trial.architecture).startswith(CELL)
    assert len({trial.key for trial in trials}) == len(trials)
    texts = {trial.architecture.text for trial in trials[:OWN_SIZES] if trial.architecture}
    assert space().inner.parse(f"{CELL} [8-16-32 x1]").text in texts


def test_a_specialist_takes_as_many_steps_an_epoch_as_the_mixture_will() -> None:
    for shares, sizes in (
        ([0.3, 0.2, 0.5], [64, 64]),
        ([3.0, 2.0, 15.0], [32, 96]),  # counts, of which the weights are proportions
        ([0.01, 0.01, 0.98], [SMALLEST_BATCH, 125]),
    ):
        trials = planned(0.0, weight=np.array(shares))
        for trial in trials:
            assert trial.recipe["batch_size"] == sizes[trial.index // MOST_SIZES]


def test_a_better_cell_that_was_drawn_too_large_is_tried_at_sizes_like_the_chosen_one() -> None:
    inner = space().inner
    large = expert(inner.parse(f"{OTHER} [32-64-128 x1]"), [0.3, 0.3, 0.5])
    small = expert(inner.parse(f"{CELL} [6-11-22 x1]"), [0.2, 0.2, 1.5])
    trials = planned(0.0, [small, large])
    # on the first group the chosen cell is the best one, on the second it is not
    assert len([t for t in trials if t.index < MOST_SIZES]) == OWN_SIZES
    second = [trial for trial in trials if trial.index >= MOST_SIZES]
    assert len(second) == OWN_SIZES + RIVAL_SIZES
    rivals = [t.architecture for t in second[OWN_SIZES:] if t.architecture is not None]
    assert [space().describe(one).startswith(OTHER) for one in rivals] == [True] * RIVAL_SIZES
    own = space().estimate_macs(inner.parse(f"{CELL} [11-22-45 x1 /2]"), SHAPE, 4) or 0
    costs = [space().estimate_macs(one, SHAPE, 4) or 0 for one in rivals]
    assert costs == sorted(costs)
    assert max(costs) < 8 * own
    assert min(costs) > own / 8
    assert len({trial.key for trial in trials}) == len(trials)


def test_sizes_that_cannot_pay_for_their_compute_are_left_out() -> None:
    # a million multiply-accumulates cost .5 nats: the easy expert loses .14 in all
    trials = [trial for trial in planned(0.5e-6) if trial.index < MOST_SIZES]
    costs = [space().estimate_macs(t.architecture, SHAPE, 4) or 0 for t in trials if t.architecture]
    own = space().estimate_macs(space().inner.parse(f"{CELL} [8-16-32 x1]"), SHAPE, 4) or 0
    assert costs == sorted(costs)
    assert max(costs) <= own + 0.5 * 0.14 / 0.5e-6
    assert own in costs
    assert min(costs) < own / 10


def test_sizes_beside_the_chosen_ones_are_tried_once_these_are_known() -> None:
    tried = measured(planned(0.0))
    groups = [[one for one in tried if one.trial.index // MOST_SIZES == k] for k in range(2)]
    for place in range(OWN_SIZES):
        chosen = [sorted(group, key=lambda one: one.macs)[place] for group in groups]
        finer = sizing().between(chosen, tried)
        assert len({trial.index for trial in [*finer, *(one.trial for one in tried)]}) == len(
            finer
        ) + len(tried)
        for group, expert in enumerate(chosen):
            costs = [one.macs for one in groups[group]]
            low = max([macs for macs in costs if macs < expert.macs], default=expert.macs)
            high = min([macs for macs in costs if macs > expert.macs], default=expert.macs)
            own = [one for one in measured(finer) if one.trial.subset == expert.trial.subset]
            assert len(own) <= FINER_SIZES
            assert all(low < one.macs < high and one.macs not in costs for one in own)
            assert all(one.trial.seed == expert.trial.seed for one in own)
            assert all(one.trial.recipe == expert.trial.recipe for one in own)
    # two experts of the same clusters, as a choice that need not keep one a group may have
    twice = [sorted(groups[0], key=lambda one: one.macs)[place] for place in (2, 4)]
    finer = sizing().between(twice, tried)
    assert len({trial.index for trial in finer}) == len(finer) <= FINER_SIZES
    # twelve sizes of which six were tried: some choice has others beside it
    assert any(sizing().between([groups[0][place]], tried) for place in range(1, OWN_SIZES - 1))


@given(st.lists(st.integers(1, 10**8), min_size=0, max_size=20, unique=True), st.integers(1, 6))
def test_costs_that_lie_apart_are_kept(costs: list[int], most: int) -> None:
    named = [(macs, Architecture(str(macs), "s", str(macs), "f")) for macs in costs]
    kept = [int(one.text) for one in apart(named, most)]
    assert kept == sorted(kept)
    assert len(kept) == min(most, len(costs))
    assert set(costs[:1]) <= set(kept)
    if 2 <= most < len(costs):
        # nothing that was left out is farther from the kept ones than these are from each other
        near = min(abs(np.log(a / b)) for a, b in pairwise(kept))
        for macs in set(costs) - set(kept):
            assert min(abs(np.log(macs / one)) for one in kept) <= near + 1e-12


@given(
    st.lists(st.integers(1, 10**8), min_size=0, max_size=20, unique=True),
    st.integers(1, 10**8),
    st.integers(1, 6),
)
def test_the_nearest_costs_are_kept(costs: list[int], wanted: int, most: int) -> None:
    named = [(macs, Architecture(str(macs), "s", str(macs), "f")) for macs in costs]
    kept = [int(one.text) for one in nearest(named, wanted, most)]
    assert kept == sorted(kept)
    assert len(kept) == min(most, len(costs))
    farthest = max((abs(np.log(macs / wanted)) for macs in kept), default=0.0)
    for macs in set(costs) - set(kept):
        assert abs(np.log(macs / wanted)) >= farthest - 1e-12
