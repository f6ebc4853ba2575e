"""A budget: what it shortens, that its decisions are kept, and what a reader is told of them."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moesaic.config import Recipe, make_config
from moesaic.runs import open_run, search
from moesaic.runs._ask_and_tell import Portions
from moesaic.runs._pace import (
    fit_rungs,
    portions,
    rungs_of,
    settle_batch,
    shortened,
)
from moesaic.runs._plan import trial_to_dict
from moesaic.runs._progress import final_passes, halving_work, makespan
from moesaic.runs._session import work_of
from moesaic.runs._timing import final_epochs, time_epoch
from moesaic.runs._variants import Design
from moesaic.spaces import get_space


class Memory:
    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def meta(self, name: str) -> Any:
        return self.known.get(name)

    def set_meta(self, name: str, value: Any) -> None:
        self.known[name] = value


def session(
    spent: float = 0.0,
    seconds: list[float | None] | None = None,
    capacity: int = 2,
    planned: tuple[str, ...] = (),
    **settings: Any,
) -> Any:
    """A run that began `spent` seconds ago, of which some stages were planned before.

    It times an epoch of a mixture and of other networks at the two `seconds`; None fails.
    """
    bank = Memory()
    bank.trials = lambda stage: ["trial"] if stage in planned else []
    bank.observations = lambda kind: [observation(12.0, epochs=3)]

    def attempt(title: str, function: Any, words: list[Any]) -> list[dict[str, float] | None]:
        mixture, other = seconds or [1.0, 1.0]
        return [
            None if taken is None else {"seconds": taken}
            for taken in [mixture, *[other] * (len(words) - 1)]
        ]

    return cast(
        "Any",
        SimpleNamespace(
            config=make_config(settings),
            bank=bank,
            started=time.monotonic() - spent,
            folder=SimpleNamespace(path=Path("nowhere")),
            executor=SimpleNamespace(capacity=capacity),
            work=work_of,
            attempt=attempt,
        ),
    )


def observation(seconds: float, epochs: int = 3, subset: tuple[bool, ...] | None = None) -> Any:
    trial = SimpleNamespace(kind="expert", recipe={"epochs": epochs}, subset=subset, payload={})
    return SimpleNamespace(seconds=seconds, trial=trial)


def measured(number: int, seconds: float, subset: tuple[bool, ...] | None = None) -> list[Any]:
    return [observation(seconds, subset=subset) for _ in range(number)]


rungs = st.lists(st.integers(1, 200), min_size=1, max_size=4, unique=True).map(sorted)


@given(rungs, st.floats(0, 1))
def test_shorter_rungs_ascend_from_the_lowest_and_are_never_longer(
    given_rungs: list[int], share: float
) -> None:
    found = shortened(given_rungs, share)
    assert len(found) == len(given_rungs)
    assert found[0] == given_rungs[0]
    assert all(low < high for low, high in pairwise(found))
    assert all(
        short <= long
        for short, long in zip(shortened(given_rungs, share), given_rungs, strict=True)
    )
    assert shortened(given_rungs, 1.0) == tuple(given_rungs)


def test_what_a_budget_pays_for_is_not_shortened() -> None:
    run = session(budget=3600, rungs=(3, 9, 27))
    fit_rungs(run, measured(8, 3.0), 2)
    assert rungs_of(run) == (3, 9, 27)


def test_a_slow_machine_trains_shorter_rungs_as_long_as_they_can_be_paid() -> None:
    run = session(budget=180, rungs=(3, 9), spent=30)
    # 2 s an epoch; 42 seconds of two workers are left of 40 % of the budget: 42 epochs
    fit_rungs(run, measured(8, 6.0), 2)
    assert rungs_of(run) == (3, 7)
    assert halving_work(run.config, (3, 7), 8, 2) <= 42 < halving_work(run.config, (3, 8), 8, 2)


def test_the_rungs_keep_an_order_however_slow_the_machine_is() -> None:
    run = session(budget=1, rungs=(3, 9, 27), spent=500)
    fit_rungs(run, measured(4, 60.0), 2)
    assert rungs_of(run) == (3, 4, 5)


def test_the_rungs_that_were_decided_are_kept_by_a_resumed_run() -> None:
    run = session(budget=1, rungs=(3, 9), spent=500)
    fit_rungs(run, measured(4, 60.0), 2)
    again = session(budget=1e6, rungs=(3, 9))
    again.bank = run.bank
    fit_rungs(again, measured(4, 0.01), 2)
    assert rungs_of(again) == rungs_of(run) == (3, 4)


def test_trainings_on_part_of_the_data_are_told_for_what_they_are() -> None:
    whole, part = (session(budget=180, rungs=(3, 9), spent=30) for _ in range(2))
    fit_rungs(whole, measured(8, 6.0), 2)
    fit_rungs(part, measured(8, 3.0, subset=(True, False)), 2)
    assert rungs_of(part) == rungs_of(whole) == (3, 7)


def test_many_workers_do_not_make_a_single_training_shorter() -> None:
    run = session(budget=180, rungs=(3, 9), spent=30, capacity=64)
    # 42 seconds are left; to the top and as a specialist a network takes 2 * 9 - 3 epochs
    fit_rungs(run, measured(8, 3 * 4.0), 2)
    assert rungs_of(run) == (3, 6)


def test_nothing_is_decided_by_the_clock_without_a_budget() -> None:
    run = session(rungs=(3, 9))
    fit_rungs(run, measured(4, 1e9), 2)
    assert rungs_of(run) == (3, 9)
    assert portions(run) == Portions.of(run.config.trials)
    assert run.bank.known == {}


@pytest.mark.parametrize(
    ("trials", "experts", "capacity", "first", "rest"),
    [
        (24, 2, 2, 6, 4),
        (6, 2, 2, 3, 4),
        (2, 2, 2, 2, 4),
        (24, "auto", 2, 8, 4),  # as many as may be found to pay
        (24, 12, 2, 12, 4),  # enough to choose from
        (240, 2, 16, 16, 16),  # nobody is idle
    ],
)
def test_few_architectures_are_asked_for_at_once_under_a_budget(
    trials: int, experts: Any, capacity: int, first: int, rest: int
) -> None:
    run = session(budget=60, trials=trials, experts=experts, capacity=capacity)
    assert portions(run) == Portions(first, rest)
    later = session(trials=trials, experts=experts, planned=("rung-0",))
    later.bank.known = run.bank.known  # the budget was taken away before it was resumed
    assert portions(later) == Portions(first, rest)


def test_a_run_that_began_without_a_budget_goes_on_as_it_began() -> None:
    run = session(budget=1, rungs=(3, 9), spent=500, planned=("rung-0", "rung-1"))
    assert portions(run) == Portions.of(run.config.trials)
    fit_rungs(run, measured(4, 60.0), 2)
    assert rungs_of(run) == (3, 9)


@pytest.mark.parametrize(
    ("settings", "samples", "batch"),
    [
        ({"budget": 60}, 8191, 64),
        ({"budget": 60}, 8192, 128),
        ({}, 100, 128),
        ({"budget": 60, "recipe": {"batch_size": 128}}, 100, 128),
        ({"budget": 60, "recipe": {"batch_size": 32}}, 100, 32),
    ],
)
def test_batches_are_small_where_a_budget_leaves_few_steps(
    settings: dict[str, Any], samples: int, batch: int
) -> None:
    config = make_config(settings)
    found = settle_batch(cast("Any", config), cast("Any", SimpleNamespace(train=range(samples))))
    assert found.recipe.batch_size == batch
    assert found.model_copy(update={"recipe": config.recipe}) == config


def design(domains: int = 2) -> Any:
    space = get_space("nasbench201", widths=(4, 6))
    drawn = [space.sample(np.random.default_rng(seed)) for seed in range(3)]
    return Design(
        config=cast("Any", make_config({})),
        space=space,
        input_shape=(3, 8, 8),
        classes=4,
        domains=domains,
        experts=tuple(drawn[1:]),
        routing=(0, 1),
        target=100_000,
        single=drawn[0],
        copy=drawn[0],
        recipe=Recipe(),
    )


@pytest.mark.parametrize("seconds", [0.01, 0.3, 2.0, 500.0])
@pytest.mark.parametrize("capacity", [1, 2, 16])
@pytest.mark.parametrize("baselines", [True, False])
def test_the_final_trainings_are_as_long_as_the_rest_of_the_budget_pays(
    seconds: float, capacity: int, baselines: bool
) -> None:
    run = session(
        budget=300,
        spent=100,
        seconds=[2 * seconds, seconds],
        capacity=capacity,
        baselines=baselines,
    )
    epochs = final_epochs(run, design())

    def takes(number: int) -> float:
        # by hand: K = 2; in the opening epochs both experts see everything, then a routed epoch
        # takes as long as two of one network
        mixture = seconds * (2 * math.ceil(0.08 * number) + 2 * (number - math.ceil(0.08 * number)))
        single = seconds * number
        each = [mixture, single, *([2 * single, *[mixture] * 3, single] if baselines else [])]
        return max(sum(each) / capacity, max(each))

    assert 1 <= epochs <= run.config.most_epochs
    # shared out by the longest first, it takes at most a third longer than the best there is
    assert epochs == 1 or takes(epochs) <= 0.85 * 200 - 10
    assert epochs == run.config.most_epochs or 4 / 3 * takes(epochs + 1) > 0.85 * 200 - 11


def test_a_longer_budget_never_shortens_the_final_trainings() -> None:
    found = [
        final_epochs(session(budget=budget, spent=40, seconds=[1.5, 0.8]), design())
        for budget in range(45, 900, 15)
    ]
    assert found == sorted(found)
    assert found[0] < 3
    assert found[-1] == 48


def test_timings_that_fail_leave_what_is_known() -> None:
    whole = session(budget=600, seconds=[4.0, 4.0])
    lost = session(budget=600, seconds=[None, None])  # 12 seconds for three epochs, says the bank
    assert 1 < final_epochs(lost, design()) == final_epochs(whole, design()) < 48
    half = session(budget=600, seconds=[None, 4.0])
    assert final_epochs(half, design()) == final_epochs(lost, design())


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=12), st.integers(1, 6))
def test_a_makespan_is_between_its_bounds(trainings: list[float], workers: int) -> None:
    found = makespan(trainings, workers)
    least = max(max(trainings), sum(trainings) / workers)
    assert least - 1e-9 <= found <= 2 * least + 1e-9
    assert makespan(trainings, 1) == pytest.approx(sum(trainings))
    assert makespan(trainings, len(trainings)) == pytest.approx(max(trainings))


def test_an_epoch_of_every_kind_is_timed(settings: dict[str, Any], tmp_path: Path) -> None:
    run = search(make_config({**settings, "epochs": 1}), tmp_path / "run")
    with open_run(run.folder).bank() as bank:
        trials = [found.trial for found in bank.observations() if found.trial.stage.startswith("f")]
    kinds = {trial.kind for trial in trials}
    assert kinds == {"expert", "mixture"}
    state = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    for trial in trials:
        if trial.payload.get("routing") != "domains":
            assert 0 < time_epoch(str(run.folder), trial_to_dict(trial))["seconds"] < 60
    assert state == {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def test_the_work_of_the_final_stage_is_what_its_trainings_count(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    run = search(make_config({**settings, "epochs": 3, "repeats": 2}), tmp_path / "run")
    with open_run(run.folder).bank() as bank:
        passes = sum(
            found.extra["passes"]
            for found in bank.observations()
            if found.trial.stage.startswith("final-")
        )
    config = make_config({**settings, "epochs": 3, "repeats": 2})
    # the ensemble's first member is the single network: planned twice, trained once
    assert sum(final_passes(cast("Any", config), 2, 3, 2)) == pytest.approx(passes)
    assert run.result["rungs"] == [1, 2]
    assert run.result["verdict"]["note"] is None


def test_a_verdict_on_trainings_that_the_budget_cut_short_says_so(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    hurried = {**settings, "epochs": "auto", "budget": 0.5, "rungs": (1, 5), "baselines": False}
    run = search(make_config(hurried), tmp_path / "run")
    assert run.result["epochs"] == 1
    assert run.result["rungs"] == [1, 2]
    note = run.result["verdict"]["note"]
    assert note.startswith("The budget paid for 1 epoch of final training, where 12 are the least")
    assert run.result["config"]["recipe"]["batch_size"] == 64
    with open_run(run.folder).bank() as bank:
        assert {found.trial.recipe["batch_size"] for found in bank.observations(kind="expert")} == {
            64
        }


def test_the_least_that_is_asked_for_is_never_said_to_be_short(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    given = {**settings, "epochs": "auto", "budget": 300, "most_epochs": 2, "baselines": False}
    run = search(make_config(given), tmp_path / "run")
    assert run.result["epochs"] == 2
    assert run.result["verdict"]["note"] is None
