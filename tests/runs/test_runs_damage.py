"""A run whose files were lost, damaged, moved or are in use: one line, nothing made worse."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moesaic.config import make_config
from moesaic.errors import DamagedRun, InputError, Interrupted
from moesaic.runs import Watcher, open_folder, open_run, resume, search
from moesaic.runs._folder import held

QUICK = {"trials": 3, "rungs": (1,), "epochs": 1, "baselines": False}
TIMES = ("seconds", "cost", "run")


class StopAt(Watcher):
    """Presses Ctrl-C when a stage begins."""

    def __init__(self, title: str) -> None:
        self.title = title

    def stage(self, title: str, trials: int) -> None:
        if title.startswith(self.title):
            raise KeyboardInterrupt


def stopped(settings: dict[str, Any], folder: Path, title: str) -> Path:
    with pytest.raises(Interrupted):
        search(make_config({**settings, **QUICK}), folder, StopAt(title))
    return folder


@pytest.fixture(scope="module")
def begun(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped before its specialists, which continue stored weights."""
    settings = {"data": spec, "widths": (4, 6), "executor": "inprocess", "seed": 3}
    return stopped(settings, tmp_path_factory.mktemp("damage") / "run", "specialise")


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    return shutil.copytree(begun, tmp_path / "run")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def untimed(result: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a result what may differ: times and memory."""
    text = json.dumps({name: part for name, part in result.items() if name not in TIMES})

    def plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {k: v for k, v in pairs if "second" not in k and "memory" not in k}

    found: dict[str, Any] = json.loads(text, object_pairs_hook=plain)
    return found


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_lost_weights_fail_no_trial_and_put_back_nothing_is_lost(
    run: Path, begun: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    for path in (run / "checkpoints").iterdir():
        damage(path)
    with pytest.raises(DamagedRun, match=r"checkpoints/\w+\.safetensors is missing or damaged"):
        resume(run)
    with open_run(run).bank() as bank:
        assert bank.failures() == []
    shutil.rmtree(run / "checkpoints")
    shutil.copytree(begun / "checkpoints", run / "checkpoints")
    other = shutil.copytree(begun, tmp_path / "other")
    assert untimed(resume(run).result) == untimed(resume(other).result)


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ("structure/partition.npz", r"partition\.npz is missing or damaged .*copy of the run"),
        ("predictions/*.npy", r"predictions/\w+\.npy is missing or damaged .*copy of the run"),
        ("data/*.npy", "not a whole saved data set .*put it back"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(run: Path, files: str, line: str) -> None:
    for path in run.glob(files):
        cut(path)
    with pytest.raises((DamagedRun, InputError), match=line) as raised:
        resume(run)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ['{"run": ', "[]", "{}"])
def test_a_damaged_result_can_be_written_again(run: Path, text: str) -> None:
    whole = resume(run).result
    (run / "result.json").write_text(text)
    for look in (lambda: open_run(run).result(), lambda: resume(run)):
        with pytest.raises(DamagedRun, match=r"result\.json is damaged: delete it, then moesaic"):
            look()
    (run / "result.json").unlink()
    assert untimed(resume(run).result) == untimed(whole)


def test_a_run_at_work_is_left_alone(run: Path) -> None:
    with (
        held(open_folder(run)),
        pytest.raises(InputError, match="another process is at work on the run"),
    ):
        resume(run)
    assert resume(run).result["status"] == "done"


def test_a_finished_run_that_was_moved_says_where_it_is(run: Path, tmp_path: Path) -> None:
    resume(run)
    moved = run.rename(tmp_path / "elsewhere")
    assert open_run(moved).result()["run"] == str(moved)
    assert resume(moved).result["run"] == str(moved)


def test_the_database_of_another_run_is_refused_and_left_as_it_was(
    begun: Path, run: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    def rows() -> list[Any]:
        with sqlite3.connect(run / "moesaic.db") as database:
            return list(database.execute("select name, value from meta order by name"))

    before = rows()
    given = {**settings, **QUICK, "storage": f"sqlite:///{run / 'moesaic.db'}"}
    for seed in (3, 4):
        with pytest.raises(InputError, match="holds another run already"):
            search(make_config({**given, "seed": seed}), tmp_path / "second")
        assert not (tmp_path / "second").exists()
    assert rows() == before


def test_a_run_killed_at_its_very_beginning_has_a_status(run: Path) -> None:
    for name in ("started.json", "moesaic.db", "moesaic.db-wal", "moesaic.db-shm"):
        (run / name).unlink(missing_ok=True)
    found = open_run(run).status()
    assert found["status"] == "unfinished"
    assert found["trials"]["done"] == 0


def test_settings_that_were_edited_are_named(run: Path) -> None:
    config = run / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("\nseed: 3", "\nseed: 7").replace("  lr: 0.004", "  lr: 0.1"))
    with pytest.raises(InputError) as raised:
        resume(run)
    assert "recipe.lr 0.1 (was 0.004), seed 7 (was 3)" in str(raised.value)
    assert "\n" not in str(raised.value)
    config.write_text(text)
    assert resume(run).result["status"] == "done"


def test_where_and_how_long_it_runs_may_be_edited(run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("\nworkers: 2", "\nworkers: 1"))
    config.write_text(config.read_text().replace("\ntrial_timeout: null", "\ntrial_timeout: 900"))
    config.write_text(config.read_text().replace("\nbudget: null", "\nbudget: 0.5"))
    found = resume(run).result
    assert found["config"]["workers"] == 1
    assert found["config"]["budget"] == 0.5


def test_a_budget_given_later_takes_back_nothing_that_was_planned(run: Path) -> None:
    with open_run(run).bank() as bank:
        asked = [trial.key for trial in bank.trials("rung-0")]
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("\nbudget: null", "\nbudget: 0.000001"))
    assert resume(run).result["status"] == "done"
    with open_run(run).bank() as bank:
        assert [trial.key for trial in bank.trials("rung-0")] == asked
        assert bank.meta("generalists_closed") is None


def test_a_database_without_its_log_is_said_to_lack_it(run: Path) -> None:
    sqlite3.connect(run / "empty.db").close()
    (run / "moesaic.db").write_bytes((run / "empty.db").read_bytes())
    for log in run.glob("moesaic.db-*"):
        log.unlink()
    with pytest.raises(InputError, match="ends in -wal holds the rest") as raised:
        resume(run)
    assert "\n" not in str(raised.value)
