"""Nothing is lost and nothing comes twice: random histories, and writers killed at any moment."""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from safetensors.torch import load_file

from moesaic.bank import CAUSES, Bank, Observation, Trial, save_checkpoint, save_predictions
from moesaic.errors import InputError, RunFailed

STAGES = ("rung0", "specialise", "final")
PLACES = st.tuples(st.sampled_from(STAGES), st.integers(0, 5), st.integers(0, 7))


def measured(trial: Trial, value: float) -> Observation:
    return Observation(trial, np.array([value]), np.array([value]), 1, 1, value)


class BankHistory(RuleBasedStateMachine):
    """Compares the bank, through any history of calls and reopenings, with plain dictionaries."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())

    @initialize()
    def create(self):
        self.bank = Bank.create(self.folder / "run", fingerprint="f00d")
        self.places: dict[tuple[str, int], str] = {}
        self.stages: list[str] = []
        self.status: dict[str, str] = {}
        self.loss: dict[str, float] = {}
        self.cause: dict[str, str] = {}

    def teardown(self):
        self.bank.close()
        shutil.rmtree(self.folder)

    def pick(self, number: int) -> str:
        return sorted(self.status)[number % len(self.status)]

    @rule(wanted=st.lists(PLACES, max_size=5))
    def plan(self, wanted):
        trials = [Trial("expert", stage, index, seed) for stage, index, seed in wanted]
        taken = dict(self.places)
        if any(taken.setdefault((t.stage, t.index), t.key) != t.key for t in trials):
            with pytest.raises(InputError):
                self.bank.plan(trials)
            return
        self.bank.plan(trials)
        self.places = taken
        for trial in trials:
            self.status.setdefault(trial.key, "planned")
            if trial.stage not in self.stages:
                self.stages.append(trial.stage)

    @precondition(lambda self: self.status)
    @rule(number=st.integers(0, 50))
    def start(self, number):
        key = self.pick(number)
        if self.status[key] == "planned":
            self.bank.start(key)
            self.status[key] = "running"
        else:
            with pytest.raises(RunFailed):
                self.bank.start(key)

    @precondition(lambda self: self.status)
    @rule(number=st.integers(0, 50), value=st.floats(0, 10))
    def finish(self, number, value):
        key = self.pick(number)
        observation = measured(self.bank.trial(key), value)
        if self.status[key] in ("planned", "running"):
            self.bank.finish(observation, None, None)
            self.status[key], self.loss[key] = "done", value
        else:
            with pytest.raises(RunFailed):
                self.bank.finish(observation, None, None)

    @precondition(lambda self: self.status)
    @rule(number=st.integers(0, 50), cause=st.sampled_from(CAUSES))
    def fail(self, number, cause):
        key = self.pick(number)
        if self.status[key] in ("planned", "running"):
            self.bank.fail(key, cause, "message", "traceback")
            self.status[key], self.cause[key] = "failed", cause
        else:
            with pytest.raises(RunFailed):
                self.bank.fail(key, cause, "message", "traceback")

    @rule(requeue=st.booleans())
    def reopen(self, requeue):
        self.bank.close()
        self.bank = Bank.open(self.folder / "run")
        if requeue:
            running = [key for key, status in self.status.items() if status == "running"]
            assert self.bank.requeue_running() == len(running)
            self.status.update(dict.fromkeys(running, "planned"))

    @invariant()
    def nothing_is_lost_and_nothing_comes_twice(self):
        if not hasattr(self, "bank"):
            return
        order = sorted(self.places, key=lambda place: (self.stages.index(place[0]), place[1]))
        keys = list(dict.fromkeys(self.places[place] for place in order))
        assert [trial.key for trial in self.bank.trials()] == keys
        assert {key: self.bank.status(key) for key in self.status} == self.status
        assert {o.trial.key: float(o.loss[0]) for o in self.bank.observations()} == self.loss
        assert [o.trial.key for o in self.bank.observations()] == [
            k for k in keys if k in self.loss
        ]
        assert {f.trial.key: f.cause for f in self.bank.failures()} == self.cause
        for stage in STAGES:
            here = [self.places[place] for place in order if place[0] == stage]
            assert [trial.key for trial in self.bank.trials(stage)] == here
        counts = self.bank.counts()
        assert sum(counts["causes"].values()) == counts["failed"]
        for status in ("planned", "running", "done", "failed"):
            assert counts[status] == list(self.status.values()).count(status)


TestBankHistory = BankHistory.TestCase
TestBankHistory.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)


def contents(index: int) -> np.ndarray:
    return np.random.default_rng(index).normal(-2, 1, (4000, 10)).astype(np.float16)


def write_forever(folder: Path, finished: Semaphore) -> None:
    """What a run does, as fast as it can: the victim of the kills."""
    torch.set_num_threads(1)  # the threads of the forked test process are not there
    with Bank.open(folder) as bank:
        bank.requeue_running()
        index = len(bank.trials())
        while True:
            bank.plan([Trial("expert", "rung0", index + n, seed=index + n) for n in range(3)])
            for trial in bank.trials(status="planned"):
                bank.start(trial.key)
                if trial.index % 5 == 4:
                    bank.fail(trial.key, "diverged", "nan", "")
                    continue
                array = contents(trial.index)
                name = save_predictions(folder, trial.key, array)
                weights = {"w": torch.from_numpy(array)}
                checkpoint = save_checkpoint(folder, trial.key, weights)
                bank.finish(measured(trial, trial.index / 7), name, checkpoint)
                finished.release()
            index += 3


def check(folder: Path, finished: dict[str, float]) -> None:
    """Open the run after a kill and compare every finished trial with what it must hold."""
    with Bank.open(folder) as bank:
        assert not list(folder.rglob(".tmp-*"))
        counts, trials = bank.counts(), bank.trials()
        assert [trial.index for trial in trials] == list(range(len(trials)))
        assert sum(counts[s] for s in ("planned", "running", "done", "failed")) == len(trials)
        assert counts["running"] <= 1
        observations = bank.observations()
        assert len(observations) == counts["done"]
        now = {o.trial.key: float(o.loss[0]) for o in observations}
        assert finished.items() <= now.items(), "what was finished before is still there"
        finished.update(now)
        for observation in observations:
            key, index = observation.trial.key, observation.trial.index
            assert observation.loss[0] == index / 7
            np.testing.assert_array_equal(bank.predictions(key), contents(index))
            stored = load_file(bank.checkpoint(key))["w"]
            np.testing.assert_array_equal(stored.numpy(), contents(index))
        assert all(failure.trial.index % 5 == 4 for failure in bank.failures())


def kill_again_and_again(folder: Path, times: int) -> None:
    rng = random.Random(times)
    Bank.create(folder, fingerprint="f00d").close()
    context = multiprocessing.get_context("fork")  # starts at once: everything is imported
    finished: dict[str, float] = {}
    for _ in range(times):
        progress = context.Semaphore(0)
        victim = context.Process(target=write_forever, args=(folder, progress))
        victim.start()
        for _ in range(rng.randrange(4)):
            assert progress.acquire(timeout=60)
        time.sleep(rng.random() * 0.03)
        assert victim.is_alive(), "the writer must only end by the kill"
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        check(folder, finished)
    assert finished, "some trials were finished before the kills"


@pytest.mark.skipif(sys.platform != "linux", reason="forks the test process")
def test_a_writer_killed_at_any_moment_leaves_a_consistent_run(tmp_path):
    kill_again_and_again(tmp_path / "run", 8)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks the test process")
def test_a_writer_killed_very_often_leaves_a_consistent_run(tmp_path):
    kill_again_and_again(tmp_path / "run", 60)
