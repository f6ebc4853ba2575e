"""What a run survives: failed trainings that it can do without, the clock, and being continued."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from moesaic.bank import Observation, Trial
from moesaic.config import make_config
from moesaic.errors import Interrupted, RunFailed
from moesaic.runs import Watcher, open_run, resume, search
from moesaic.runs import _epochs as epochs_module
from moesaic.runs._clock import closed_by, on_record
from moesaic.runs._epochs import choose_epochs
from moesaic.runs._folder import RunFolder, at_work, held
from moesaic.runs._rank import _command


class Memory:
    """The named values of a bank."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def meta(self, name: str) -> Any:
        return self.values.get(name)

    def set_meta(self, name: str, value: Any) -> None:
        self.values[name] = value

    def observations(self, **_: Any) -> list[Observation]:
        return []


class Ladder:
    """A session whose trainings reach what is told for their epochs; None for those that fail."""

    def __init__(self, scores: dict[int, float | None], **settings: Any) -> None:
        self.config = make_config({"data": "digits", **settings})
        self.bank = Memory()
        self.started = time.monotonic()
        self.scores = scores
        self.must: list[bool] = []

    def perform(
        self, title: str, trials: list[Trial], *, some_must_succeed: bool = True
    ) -> list[Observation | None]:
        self.must.append(some_must_succeed)
        found = []
        for trial in trials:
            score = self.scores.get(int(trial.recipe["epochs"]))
            right = None if score is None else np.array([score])
            found.append(None if right is None else Observation(trial, 1 - right, right, 1, 1, 1.0))
        if some_must_succeed and all(one is None for one in found):
            raise RunFailed(f"all trials of '{title}' failed")
        return found

    def out_of_time(self, share: float = 1.0) -> bool:
        return False


def ladder_trial(design: Any, epochs: int, seed: int) -> Trial:
    return Trial("expert", "", 0, seed, recipe={"epochs": epochs})


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ({12: 0.6, 24: 0.7, 48: 0.8}, 48),
        ({12: 0.6, 24: 0.7, 48: None}, 24),  # too long for --trial-timeout, say
        ({12: 0.6, 24: None, 48: None}, 12),
        ({12: None, 24: 0.7, 48: 0.8}, 48),
    ],
)
def test_a_length_that_fails_does_not_end_the_search(
    monkeypatch: pytest.MonkeyPatch, scores: dict[int, float | None], chosen: int
) -> None:
    monkeypatch.setattr(epochs_module, "single_trial", ladder_trial)
    session = Ladder(scores)
    assert choose_epochs(cast("Any", session), cast("Any", None), [1.0]) == chosen
    assert session.bank.meta("epochs") == chosen
    assert session.must[0]
    assert not any(session.must[1:])


def test_no_length_that_trains_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs_module, "single_trial", ladder_trial)
    with pytest.raises(RunFailed, match="how long to train"):
        choose_epochs(cast("Any", Ladder({})), cast("Any", None), [1.0])


def test_the_step_at_which_the_clock_closed_a_stage_is_the_last_one_after_a_resume() -> None:
    spent = [False]
    bank = Memory()
    session = cast("Any", SimpleNamespace(bank=bank, out_of_time=lambda share: spent[0]))
    assert not closed_by(session, "rounds", 0, 0.5)
    spent[0] = True
    assert closed_by(session, "rounds", 1, 0.5)
    spent[0] = False  # a new process, whose clock says there is time
    assert not closed_by(session, "rounds", 0, 0.5)
    assert closed_by(session, "rounds", 1, 0.5)
    assert not closed_by(session, "others", 1, 0.5)  # of another stage nothing was decided


def test_a_decision_of_the_clock_is_asked_for_once() -> None:
    session = cast("Any", SimpleNamespace(bank=Memory()))
    answers = iter([False, True])
    assert on_record(session, "sizes", lambda: next(answers)) is False
    assert (
        on_record(session, "sizes", lambda: next(answers)) is False
    )  # that it went on is kept too


class StopLate(Watcher):
    """Presses Ctrl-C at the first final training, when most of the budget is spent."""

    def trial(self, title: str, done: int, trials: int, left: float | None, note: str) -> None:
        if title.startswith("final"):
            time.sleep(max(0.0, 0.7 * 30 - (time.monotonic() - self.begun)))
            raise KeyboardInterrupt

    def __init__(self) -> None:
        self.begun = time.monotonic()


@pytest.mark.slow
def test_what_the_clock_allowed_before_an_interruption_it_allows_again(
    spec: str, tmp_path: Path
) -> None:
    settings = {
        "data": spec,
        "trials": 4,
        "rungs": (1, 2),
        "widths": (4, 6),
        "epochs": 1,
        "budget": "30s",
        "baselines": False,
        "executor": "inprocess",
    }
    with pytest.raises(Interrupted):
        search(make_config(settings), tmp_path / "run", StopLate())
    with open_run(tmp_path / "run").bank() as bank:
        before = bank.counts()
        assert bank.meta("seconds") > 0.5 * 30
        assert bank.meta("generalists_closed") is None
    found = resume(tmp_path / "run").result
    with open_run(tmp_path / "run").bank() as bank:
        assert bank.meta("generalists_closed") is None
        after = bank.counts()
    assert sum(after[name] for name in ("planned", "running")) == 0
    assert after["failed"] == before["failed"] == 0
    # nothing but what was still to do was added
    assert after["done"] == before["done"] + before["planned"] + before["running"]
    assert found["seconds"] > 0.5 * 30


def test_the_command_that_continues_a_ranking_names_what_was_asked(tmp_path: Path) -> None:
    folder = cast("Any", SimpleNamespace(path=tmp_path / "a run"))
    told = _command(
        folder,
        {
            "--experts": None,
            "--score": "ensemble",
            "--max-macs": 2e6,
            "--must-have": ("one", "two"),
            "--must-not": (),
            "--train": 5,
        },
    )
    assert told == (
        f"moesaic rank '{tmp_path / 'a run'}' --score ensemble --max-macs 2e+06 "
        "--must-have one --must-have two --train 5"
    )


def test_who_looks_whether_a_run_is_held_keeps_nobody_from_it(tmp_path: Path) -> None:
    folder, done = RunFolder(tmp_path), threading.Event()
    (tmp_path / ".lock").touch()

    def look() -> None:
        while not done.is_set():
            at_work(folder)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(50):
            with held(folder):
                assert at_work(folder)
    finally:
        done.set()
        watcher.join()
    assert not at_work(folder)
