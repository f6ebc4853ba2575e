"""`moesaic search` and `moesaic resume` over a faked run: settings, answers, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from moesaic import runs
from moesaic.cli import app
from moesaic.cli._search import _NOT_SETTINGS
from moesaic.config import SearchConfig
from moesaic.errors import InputError, Interrupted, RunFailed
from moesaic.runs import RunResult

runner = CliRunner()


def row(accuracy: float, behind: float, repeats: int = 1) -> dict[str, Any]:
    return {
        "test_accuracy": accuracy,
        "test_accuracies": [accuracy + 0.01 * i - 0.005 * (repeats - 1) for i in range(repeats)],
        "validation_accuracy": accuracy,
        "macs_active": 1_234_567,
        "parameters": 1000,
        "training_passes": 24.0,
        "behind_reference": {"mean": behind, "low": behind - 0.01, "high": behind + 0.02},
    }


def result_of(folder: Path, repeats: int = 1) -> dict[str, Any]:
    return {
        "run": str(folder),
        "status": "done",
        "verdict": {
            "worth": True,
            "sentence": "A mixture is worth it on this data: [+4.3] points.",
            "handed_over": "mixture",
            "single": "single",
            "mixture": "mixture",
            "gain_test": {"mean": 0.043, "low": 0.03, "high": 0.05},
        },
        "test_accuracy": 0.9,
        "mixture": row(0.9, 0.0, repeats),
        "baselines": {"single": row(0.857, 0.043, repeats), "random": row(0.91, -0.01, repeats)},
        "trials": {"done": 6, "failed": 0, "lost": 0},
        "seconds": float("nan"),
    }


class FakeRuns:
    """Stands in for `runs.search` and `runs.resume`; `fault` is raised where it is set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configs: list[SearchConfig] = []
        self.outs: list[Path | None] = []
        self.repeats = 1
        self.fault: BaseException | None = None
        self.noise = ""

    def search(self, config: SearchConfig, out: Any = None, watcher: Any = None) -> RunResult:
        self.configs.append(config)
        self.outs.append(out)
        return self._run(watcher)

    def resume(self, path: Any, watcher: Any = None) -> RunResult:
        return self._run(watcher)

    def _run(self, watcher: Any) -> RunResult:
        watcher.stage("generalists", 2)
        watcher.trial("generalists", 1, 2, 61.0, "loss 0.5")
        if self.noise:
            print(self.noise)
        if self.fault is not None:
            raise self.fault
        (self.folder / "report.html").write_text("report")
        return RunResult(self.folder, result_of(self.folder, self.repeats))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeRuns:
    made = FakeRuns(tmp_path)
    monkeypatch.setattr(runs, "search", made.search)
    monkeypatch.setattr(runs, "resume", made.resume)
    return made


def search(*words: str) -> Result:
    return runner.invoke(app, ["search", *words])


def only_line(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("generalists")]
    assert len(lines) == 1
    return lines[0]


def test_every_option_is_a_setting_with_the_default_that_is_told() -> None:
    command = get_command(app).commands["search"]  # type: ignore[attr-defined]
    defaults = SearchConfig().to_dict()
    told_for_none = {"their own", "chosen", "none", "no limit", "SQLite in the run", "a local one"}
    for option in command.params:
        if option.name in _NOT_SETTINGS | {"help"}:
            continue
        assert option.name in SearchConfig.model_fields
        assert option.default is None  # so that a file's value survives
        told = option.help.rsplit("[default: ", 1)[1].removesuffix("]")
        if option.name == "baselines":
            assert (told, defaults["baselines"]) == ("--baselines", True)
        elif defaults[option.name] is None:
            assert told in told_for_none
        else:
            assert told == str(defaults[option.name])


def test_options_become_settings(fake: FakeRuns, tmp_path: Path) -> None:
    found = search(
        *("--data", "digits", "--image-size", "16", "--experts", "auto", "--clusters", "5"),
        *("--budget", "5m", "--trials", "30", "--epochs", "4", "--seed", "3", "--repeats", "2"),
        *("--workers", "1", "--no-baselines", "--top-k", "1", "--trial-timeout", "90s"),
        *("--embedder", "pixels", "--clusterer", "gaussian", "--set", "recipe.lr=0.01"),
        *("--set", "widths=[4,8]", "--out", str(tmp_path / "new")),
    )
    assert found.exit_code == 0, found.output
    assert fake.configs == [
        SearchConfig(
            data="digits",
            image_size=16,
            experts="auto",
            clusters=5,
            budget=300,
            trials=30,
            epochs=4,
            seed=3,
            repeats=2,
            workers=1,
            baselines=False,
            trial_timeout=90,
            embedder="pixels",
            clusterer="gaussian",
            recipe={"lr": 0.01},
            widths=(4, 8),
        )
    ]
    assert fake.outs == [tmp_path / "new"]


def test_price_and_limit_become_settings(fake: FakeRuns) -> None:
    found = search("--price", "0.04", "--max-macs", "1e6", "--set", "width_choices=[0.5,1]")
    assert found.exit_code == 0, found.output
    assert fake.configs == [SearchConfig(price=0.04, max_macs=1e6, width_choices=(0.5, 1.0))]
    told = runner.invoke(app, ["search", "--help"]).output
    assert "--price" in told
    assert "--max-macs 1e6" in told


def test_no_options_are_the_defaults(fake: FakeRuns) -> None:
    assert search().exit_code == 0
    assert fake.configs == [SearchConfig()]
    assert fake.outs == [None]


def test_options_win_over_set_over_the_file_over_defaults(fake: FakeRuns, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "image-size: 24\nseed: 1\ntrials: 5\nbaselines: false\nrecipe: {lr: 0.1, batch_size: 32}\n"
    )
    words = ["--set", "trials=6", "--set", "seed=2", "--set", "recipe.lr=0.2", "--seed", "3"]
    found = search("--config", str(file), *words)
    assert found.exit_code == 0, found.output
    config = fake.configs[0]
    assert (config.image_size, config.trials, config.seed) == (24, 6, 3)
    assert config.baselines is False
    assert (config.recipe.lr, config.recipe.batch_size) == (0.2, 32)
    assert config.experts == SearchConfig().experts


def test_the_settings_of_a_run_can_be_given_again(fake: FakeRuns, tmp_path: Path) -> None:
    import yaml

    given = SearchConfig(data="toy", experts=3, budget=60, rungs=(1, 2))
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(given.to_dict()))
    assert search("--config", str(file)).exit_code == 0
    assert fake.configs == [given]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "exprts=3"], "experts"),
        (["--set", "recipe.lrr=3"], "did you mean lr"),
        (["--set", "experts"], "name=value"),
        (["--experts", "3", "--clusters", "2"], "clusters is 2"),
        (["--experts", "two"], "experts"),
        (["--price", "-1"], "price"),
        (["--max-macs", "0"], "max_macs"),
        (["--set", "width_choices=[1,2]"], "price"),
        (["--trials", "1"], "trials"),
        (["--budget", "soon"], "duration"),
        (["--embedder", "traned"], "trained"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_bad_settings_give_one_line_and_exit_2(fake: FakeRuns, words: list[str], told: str) -> None:
    found = search(*words, "--json")
    assert found.exit_code == 2
    assert found.stderr.count("\n") == 1
    assert told in found.stderr
    message = json.loads(found.stdout)
    assert message["status"] == "error"
    assert f"error: {message['message']}\n" == found.stderr
    assert fake.configs == []


def test_bad_yaml_is_one_line(fake: FakeRuns, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("a: [1\nb: }")
    found = search("--config", str(file))
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    file.write_text("5: 1")
    assert search("--config", str(file)).exit_code == 2


def test_summary_leads_with_the_verdict_and_marks_what_is_handed_over(fake: FakeRuns) -> None:
    found = search()
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0] == "A mixture is worth it on this data: [+4.3] points."
    assert found.stdout.isascii()
    assert "\x1b" not in found.stdout
    rows = {line.removeprefix("*").split()[0]: line for line in lines[3:6]}
    assert rows["mixture"].startswith("* mixture")
    assert "90.0 %" in rows["mixture"]
    assert rows["mixture"].split()[-1] == "-"
    # 4.3 points behind, between 3.3 and 6.3, is -4.3 against it
    assert "-4.3 (-6.3 to -3.3)" in rows["single"]
    assert "+1.0 (-1.0 to +2.0)" in rows["random"]
    assert "1,234,567" in rows["random"]
    for name in ("model.pt2", "report.html", "result.json"):
        assert str(fake.folder) in next(line for line in lines if name in line)


def test_summary_gives_the_spread_of_repeats(fake: FakeRuns) -> None:
    fake.repeats = 3
    found = search()
    assert "90.0 % +- 1.0" in found.stdout
    assert "standard deviation of 3 repeats" in found.stdout


def test_json_is_one_object_whatever_is_printed(fake: FakeRuns) -> None:
    fake.noise = "a library speaks"
    found = search("--json")
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert told["run"] == str(fake.folder)
    assert told["seconds"] is None  # JSON has no NaN
    assert "a library speaks" in found.stderr
    assert "generalists (2 trials)" in found.stderr


def test_quiet_prints_nothing(fake: FakeRuns) -> None:
    found = search("--quiet")
    assert (found.exit_code, found.output) == (0, "")
    found = search("--quiet", "--json")
    assert json.loads(found.stdout)["status"] == "done"
    assert found.stderr == ""
    fake.fault = RunFailed("all trials failed")
    assert search("--quiet").stderr == "error: all trials failed\n"


def test_resume_gives_the_same_summary(fake: FakeRuns) -> None:
    assert runner.invoke(app, ["resume", "r"]).stdout == search().stdout


def test_a_run_that_failed_exits_1(fake: FakeRuns) -> None:
    fake.fault = RunFailed("all 2 trials failed;\n the first by diverged")
    found = search("--json")
    assert found.exit_code == 1
    assert only_line(found.stderr) == "error: all 2 trials failed; the first by diverged"
    assert json.loads(found.stdout)["message"] == "all 2 trials failed; the first by diverged"


def test_bad_data_exits_2(fake: FakeRuns) -> None:
    fake.fault = InputError("no source or path 'x'")
    found = search()
    assert (found.exit_code, only_line(found.stderr)) == (2, "error: no source or path 'x'")


@pytest.mark.parametrize("command", [["search"], ["resume", "my run"]])
def test_interrupted_run_says_how_to_continue(fake: FakeRuns, command: list[str]) -> None:
    fake.fault = Interrupted("interrupted; continue with: moesaic resume here")
    found = runner.invoke(app, [*command, "--json"])
    assert found.exit_code == 130
    assert only_line(found.stderr) == "interrupted; continue with: moesaic resume here"
    assert json.loads(found.stdout)["status"] == "interrupted"


def test_ctrl_c_outside_the_run_exits_130(fake: FakeRuns) -> None:
    fake.fault = KeyboardInterrupt()
    found = search()
    assert found.exit_code == 130
    assert "nothing to continue" in only_line(found.stderr)
    found = runner.invoke(app, ["resume", "my run"])
    assert found.exit_code == 130
    assert only_line(found.stderr) == "interrupted; continue with: moesaic resume 'my run'"


@pytest.mark.parametrize("fault", [ZeroDivisionError("odd\nthing"), BrokenPipeError(32, "worker")])
def test_unforeseen_fault_leaves_its_traceback_in_the_run(
    fake: FakeRuns, tmp_path: Path, fault: Exception
) -> None:
    fake.fault = fault
    found = search("--out", str(tmp_path))
    assert found.exit_code == 1
    line = only_line(found.stderr)
    assert type(fault).__name__ in line
    assert str(tmp_path / "traceback.txt") in line
    assert "Traceback" in (tmp_path / "traceback.txt").read_text()


def test_unforeseen_fault_without_a_run_directory(fake: FakeRuns) -> None:
    fake.fault = KeyError("odd")
    line = only_line(search().stderr)
    file = Path(line.split("traceback: ")[1].rstrip(")"))
    assert "KeyError" in file.read_text()
    file.unlink()


def test_debug_shows_the_traceback(fake: FakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.fault = RunFailed("no")
    monkeypatch.setenv("MOESAIC_DEBUG", "1")
    assert "Traceback" in search().stderr


@pytest.mark.parametrize("wrapped", [False, True])
def test_full_disk_exits_2(fake: FakeRuns, wrapped: bool) -> None:
    full = OSError(28, "No space left on device")
    fake.fault = full
    if wrapped:
        fake.fault = RunFailed("no space left on the disk while writing x")
        fake.fault.__cause__ = full
    found = search()
    assert found.exit_code == 2
    assert only_line(found.stderr).startswith("error: no space left on the disk")
