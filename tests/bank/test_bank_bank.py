"""What goes into the bank comes out again, in order, once, exactly."""

import math
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from moesaic.bank import CAUSES, Bank, Observation, Trial, save_checkpoint, save_predictions
from moesaic.bank._codec import dump_vector, load_vector
from moesaic.errors import DamagedRun, InputError, RunFailed
from moesaic.spaces import Architecture


def trial(index: int = 0, stage: str = "rung0", seed: int | None = None, **other) -> Trial:
    return Trial("expert", stage, index, seed=index if seed is None else seed, **other)


def observation(of: Trial, loss=(0.5, 0.25), **other) -> Observation:
    vector = np.array(loss, dtype=np.float64)
    return Observation(of, vector, 1 - vector, macs=10, parameters=20, seconds=0.1, **other)


def same(left: Observation, right: Observation) -> bool:
    rest = dict.fromkeys(("loss", "accuracy"))
    return (
        left.loss.tobytes() == right.loss.tobytes()
        and left.accuracy.tobytes() == right.accuracy.tobytes()
        and replace(left, **rest) == replace(right, **rest)
    )


FULL = Trial(
    kind="expert",
    stage="specialise",
    index=3,
    seed=2**63 - 1,
    architecture=Architecture("ab12", "cells", '{"edges":[[0,1,"skip"]]}', "nasbench201"),
    subset=(True, False, True),
    recipe={"rate": 0.1, "epochs": 3, "name": "naïve ☃", "deep": {"list": [1, None, 0.1 + 0.2]}},
    parent="0123456789abcdef",
    payload={"experts": ["a", "b"]},
)


@pytest.fixture
def bank(tmp_path, url):
    with Bank.create(tmp_path / "run", url, fingerprint="f00d") as bank:
        yield bank


def test_a_trial_comes_back_as_it_was(bank):
    mixture = Trial("mixture", "final", 0, seed=1, payload={"routing": [[1.0, 0.0]]})
    bank.plan([FULL, mixture])
    assert bank.trial(FULL.key) == FULL
    assert bank.trial(FULL.key).key == FULL.key
    assert bank.trial(FULL.key).architecture.text == FULL.architecture.text
    assert bank.trials() == [FULL, mixture]
    assert bank.trials(kind="mixture") == [mixture]


def test_an_observation_comes_back_to_the_bit(bank):
    bank.plan([FULL])
    loss = np.array([0.1 + 0.2, math.pi, 5e-324, -0.0, math.nan, math.inf, 1e308])
    accuracy = np.array([1 / 3, math.nan, 0, 1, 0.5, 0.25, 2 / 3])
    measured = Observation(
        FULL, loss, accuracy, macs=2**40, parameters=7, seconds=0.1 + 0.2, peak_memory=2**33,
        extra={"curve": [0.1, 1e-17], "epochs": 3},
    )  # fmt: skip
    bank.finish(measured, None, None)
    assert same(bank.observation(FULL.key), measured)
    (listed,) = bank.observations()
    assert same(listed, measured)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64)))
def test_any_float64_vector_survives_json(values):
    back = load_vector(dump_vector(np.array(values, dtype=np.float64)))
    for before, after in zip(values, back, strict=True):
        if math.isnan(before):
            assert math.isnan(after)
        else:
            assert struct.pack("d", before) == struct.pack("d", after)


def test_nan_is_null_in_json():
    assert dump_vector(np.array([0.5, math.nan])) == "[0.5,null]"


def test_a_trial_moves_from_planned_to_running_to_done(bank):
    one = trial()
    assert bank.status(one.key) is None
    bank.plan([one])
    assert bank.status(one.key) == "planned"
    bank.start(one.key)
    assert bank.status(one.key) == "running"
    bank.finish(observation(one), None, None)
    assert bank.status(one.key) == "done"


def test_what_is_finished_never_changes(bank):
    one, two = trial(0), trial(1)
    bank.plan([one, two])
    bank.finish(observation(one), None, None)
    bank.fail(two.key, "diverged", "loss is nan", "trace")
    for done in (one, two):
        status = bank.status(done.key)
        with pytest.raises(RunFailed, match=f"it is {status}"):
            bank.start(done.key)
        with pytest.raises(RunFailed, match=f"it is {status}"):
            bank.finish(observation(done, (9.0, 9.0)), None, None)
        with pytest.raises(RunFailed, match=f"it is {status}"):
            bank.fail(done.key, "error", "x", "y")
        bank.plan([done])
        assert bank.status(done.key) == status
    assert bank.requeue_running() == 0
    assert same(bank.observation(one.key), observation(one))
    assert [failure.message for failure in bank.failures()] == ["loss is nan"]


def test_a_trial_that_was_never_planned_cannot_start_or_finish(bank):
    for attempt in (
        lambda: bank.start(FULL.key),
        lambda: bank.finish(observation(FULL), None, None),
        lambda: bank.fail(FULL.key, "error", "", ""),
    ):
        with pytest.raises(RunFailed, match="not planned"):
            attempt()
    with pytest.raises(InputError, match="never planned"):
        bank.trial(FULL.key)
    with pytest.raises(InputError, match="no observation"):
        bank.observation(FULL.key)
    assert bank.observations() == []


def test_planning_twice_changes_nothing(bank):
    trials = [trial(index) for index in range(1200)]
    bank.plan(trials[:700])
    bank.start(trials[3].key)
    bank.plan(trials)
    bank.plan(trials)
    bank.plan([])
    assert bank.trials() == trials
    assert bank.status(trials[3].key) == "running"
    assert bank.counts()["planned"] == 1199


def test_a_place_is_never_given_to_other_work(bank):
    bank.plan([trial(0, seed=1)])
    with pytest.raises(InputError, match="stage 'rung0' index 0 is planned as"):
        bank.plan([trial(1), trial(0, seed=2)])
    assert bank.trials() == [trial(0, seed=1)], "the plan is taken whole or not at all"


def test_the_same_work_is_one_trial_with_many_places(bank):
    first, again = trial(5, "rung0", seed=1), trial(0, "final", seed=1)
    other = trial(1, "final", seed=2)
    bank.plan([first, again, other])
    assert first.key == again.key
    assert bank.counts()["planned"] == 2
    bank.finish(observation(again), None, None)
    assert bank.trials() == [first, other]
    assert bank.trials("final") == [again, other]
    assert bank.trials("final", "done") == [again]
    assert [o.trial for o in bank.observations()] == [first]
    assert [o.trial for o in bank.observations("final")] == [again]
    assert bank.trial(first.key) == first


def test_order_is_stage_of_first_planning_then_index(bank):
    bank.plan([trial(4, "z"), trial(2, "z")])
    bank.plan([trial(10, "a"), trial(3, "z", seed=33), trial(9, "a")])
    order = [(t.stage, t.index) for t in bank.trials()]
    assert order == [("z", 2), ("z", 3), ("z", 4), ("a", 9), ("a", 10)]
    for one in reversed(bank.trials()):
        bank.finish(observation(one), None, None)
    assert [(o.trial.stage, o.trial.index) for o in bank.observations()] == order


def test_counts_and_failures(bank):
    trials = [trial(index) for index in range(8)]
    bank.plan(trials)
    bank.start(trials[0].key)
    bank.finish(observation(trials[1]), None, None)
    bank.fail(trials[4].key, "out_of_memory", "no memory", "")
    bank.fail(trials[3].key, "diverged", "nan", "a\nb")
    bank.fail(trials[2].key, "diverged", "odd \0 \udc80 text", "trace")
    assert bank.counts() == {
        "planned": 3, "running": 1, "done": 1, "failed": 3,
        "causes": {"diverged": 2, "out_of_memory": 1},
    }  # fmt: skip
    failures = bank.failures()
    assert [failure.trial for failure in failures] == trials[2:5]
    assert [failure.cause for failure in failures] == ["diverged", "diverged", "out_of_memory"]
    assert failures[1].traceback == "a\nb"
    assert failures[0].message == "odd \\x00 \\udc80 text"


def test_a_cause_nobody_knows_is_refused(bank):
    bank.plan([trial()])
    with pytest.raises(InputError, match="bad luck") as caught:
        bank.fail(trial().key, "bad luck", "", "")
    assert all(cause in str(caught.value) for cause in CAUSES)


def test_requeue_and_attempts_survive_reopening(tmp_path, url):
    folder = tmp_path / "run"
    with Bank.create(folder, url, fingerprint="f00d") as bank:
        bank.plan([trial(0), trial(1)])
        bank.start(trial(0).key)
    with Bank.open(folder, url) as bank:
        assert bank.status(trial(0).key) == "running"
        assert bank.requeue_running() == 1
        assert bank.status(trial(0).key) == "planned"
        bank.start(trial(0).key)
        assert bank.meta("fingerprint") == "f00d"


def test_meta(bank):
    assert bank.meta("fingerprint") == "f00d"
    assert bank.meta("clusters") is None
    for value in ({"m": 2, "names": ["a"]}, [1.5], None, "text"):
        bank.set_meta("clusters", value)
        assert bank.meta("clusters") == value


@settings(max_examples=10)
@given(st.integers(1, 40), st.integers(1, 10))
def test_predictions_come_back_as_float16(tmp_path_factory, samples, classes):
    folder = tmp_path_factory.mktemp("run")
    array = np.random.default_rng(samples).normal(-3, 2, (samples, classes))
    with Bank.create(folder, fingerprint="x") as bank:
        bank.plan([trial()])
        name = save_predictions(folder, trial().key, array)
        bank.finish(observation(trial()), name, None)
        back = bank.predictions(trial().key)
        assert bank.checkpoint(trial().key) is None
    assert back.dtype == np.float16
    np.testing.assert_array_equal(back, array.astype(np.float16))


def test_impossible_log_probabilities_stay_finite(tmp_path):
    name = save_predictions(tmp_path, "ab", np.array([[-np.inf, -1e9, -1.0]]))
    assert np.isfinite(np.load(tmp_path / name)).all()
    with pytest.raises(InputError, match="shape"):
        save_predictions(tmp_path, "ab", np.zeros(3))
    with pytest.raises(InputError, match="key"):
        save_predictions(tmp_path, "../ab", np.zeros((3, 2)))


def test_checkpoints_come_back_also_tied_and_strided(bank):
    weight = torch.arange(12.0).reshape(3, 4)
    state = {"a": weight, "tied": weight, "strided": weight.t()[1:], "count": torch.tensor(3)}
    bank.plan([trial()])
    bank.finish(observation(trial()), None, save_checkpoint(bank.folder, trial().key, state))
    path = bank.checkpoint(trial().key)
    assert path.name == f"{trial().key}.safetensors"
    back = load_file(path)
    assert back.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor)


def test_a_missing_or_damaged_file_is_one_line(bank):
    key = trial().key
    bank.plan([trial()])
    with pytest.raises(RunFailed, match="missing file"):
        bank.finish(observation(trial()), f"predictions/{key}.npy", None)
    with pytest.raises(RunFailed, match="outside the run"):
        bank.finish(observation(trial()), "../elsewhere.npy", None)
    assert bank.status(key) == "planned"
    with pytest.raises(InputError, match="it is planned"):
        bank.predictions(key)
    name = save_predictions(bank.folder, key, np.zeros((50, 2)))
    bank.finish(observation(trial()), name, None)
    path = bank.folder / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedRun, match="missing or damaged"):
        bank.predictions(key)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedRun, match="missing or damaged"):
        bank.predictions(key)
    path.unlink()
    with pytest.raises(DamagedRun, match="missing or damaged"):
        bank.predictions(key)
