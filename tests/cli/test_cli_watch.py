"""The two ways to watch a run."""

from __future__ import annotations

import contextlib
import io

import pytest
from rich.console import Console

from moesaic.cli._output import duration
from moesaic.cli._watch import LiveWatcher, PlainWatcher, time_left, watching
from moesaic.runs import Watcher


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    watcher = PlainWatcher(clock, every=5.0)
    watcher.stage("rung 1", 40)
    for done in range(1, 41):
        clock.now += 1.0
        watcher.trial("rung 1", done, 40, 40.0 - done, "loss 0.5")
    watcher.say("7 clusters")
    found = capsys.readouterr()
    lines = found.err.splitlines()
    assert found.out == ""
    assert lines[0] == "rung 1 (40 trials)"
    assert lines[1] == "rung 1: 5 of 40, loss 0.5, about 40 s left"
    assert len(lines) == 1 + 8 + 1
    assert lines[-1] == "7 clusters"


def test_plain_line_leaves_out_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    watcher = PlainWatcher(every=0.0)
    watcher.trial("test", 1, 2, None, "")
    assert capsys.readouterr().err == "test: 1 of 2\n"


def test_plain_is_chosen_without_a_terminal_and_nothing_when_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with watching(quiet=False) as watcher:
        assert isinstance(watcher, PlainWatcher)
    with watching(quiet=True) as watcher:
        assert type(watcher) is Watcher
    assert capsys.readouterr().err == ""


def test_live_shows_stage_count_and_time_left() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    with LiveWatcher(console) as watcher:
        watcher.stage("rung [1]", 4)
        watcher.trial("rung [1]", 3, 4, 200.0, "failed: diverged")
        watcher._progress.refresh()
        watcher.stage("final", 2)
        watcher.say("a [line]")
    shown = out.getvalue()
    for part in ("rung [1]", "3/4", "about 3 min left", "4/4", "final", "0/2", "a [line]"):
        assert part in shown
    assert "rung [1]: failed: diverged" in shown


def test_live_stops_when_the_run_does() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    watcher = LiveWatcher(console)
    with contextlib.suppress(KeyboardInterrupt), watcher:
        watcher.stage("rung 1", 4)
        raise KeyboardInterrupt
    assert not watcher._progress.live.is_started


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.6, "1 min"), (80, "1 min 20 s"), (3600, "1 h"), (4000, "1 h 6 min")],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, ""), (1.0, "about 10 s left"), (44, "about 40 s left"), (170, "about 3 min left")],
)
def test_estimates_are_coarse(seconds: float | None, told: str) -> None:
    assert time_left(seconds) == told
