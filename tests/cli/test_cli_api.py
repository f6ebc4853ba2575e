"""The public names of the package, and searching from Python."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import moesaic
from moesaic import runs
from moesaic.config import SearchConfig
from moesaic.errors import InputError
from moesaic.runs import RunResult


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Record what `runs.search` and `runs.resume` are asked, and report nothing."""
    calls: list[Any] = []

    def search(config: SearchConfig, out: Any = None, watcher: Any = None) -> RunResult:
        calls.append((config, out, watcher))
        return RunResult(tmp_path, {})

    monkeypatch.setattr(runs, "search", search)
    monkeypatch.setattr(runs, "resume", lambda path, watcher=None: RunResult(Path(path), {}))
    monkeypatch.setattr("moesaic.report.write_report", lambda folder: calls.append(folder))
    return calls


@pytest.mark.parametrize("name", moesaic.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(moesaic, name) is not None
    assert name in dir(moesaic)


@pytest.mark.parametrize("name", moesaic.__all__)
def test_every_public_name_has_its_words(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
    assert re.search(rf"`{name}[`(]", page)


def test_public_names_are_the_objects_of_their_folders() -> None:
    from moesaic import bank, config, data, mixture, spaces

    assert moesaic.SearchConfig is config.SearchConfig
    assert moesaic.Bank is bank.Bank
    assert moesaic.load_dataset is data.load_dataset
    assert moesaic.load_model is mixture.load_model
    assert moesaic.Architecture is spaces.Architecture
    assert moesaic.open_run is runs.open_run


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="serch"):
        moesaic.serch  # noqa: B018


def test_dir_lists_names_before_they_are_loaded() -> None:
    check = "import sys, moesaic; print('load_model' in dir(moesaic), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_search_takes_settings_by_name(asked: list[Any], tmp_path: Path) -> None:
    moesaic.search(data="digits", experts=3, out="runs/x", recipe={"lr": 0.01})
    config, out, _ = asked[0]
    assert (config.data, config.experts, config.recipe.lr) == ("digits", 3, 0.01)
    assert config.trials == SearchConfig().trials
    assert out == "runs/x"
    assert asked[1] == tmp_path  # the report


def test_search_takes_a_config_and_settings_on_top(asked: list[Any]) -> None:
    given = SearchConfig(data="toy", seed=7, widths=(4, 8), recipe={"epochs": 5, "lr": 0.1})
    moesaic.search(given)
    assert asked[0][0] == given
    moesaic.search(given, seed=8, recipe={"lr": 0.2})
    config = asked[2][0]
    assert (config.data, config.seed, config.widths) == ("toy", 8, (4, 8))
    assert (config.recipe.epochs, config.recipe.lr) == (5, 0.2)


def test_search_refuses_unknown_settings(asked: list[Any]) -> None:
    with pytest.raises(InputError, match="did you mean experts"):
        moesaic.search(exprts=3)
    assert asked == []


def test_a_report_that_is_there_is_kept(asked: list[Any], tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("kept")
    moesaic.search()
    moesaic.resume(tmp_path)
    assert len(asked) == 1


@pytest.mark.parametrize("function", [moesaic.search, moesaic.campaign])
def test_what_has_no_name_is_no_data(function: Any, asked: list[Any]) -> None:
    with pytest.raises(InputError, match=r'not str: settings have names, such as data="mine.npz"'):
        function("mine.npz")
    assert asked == []


def test_an_array_is_told_where_to_go(asked: list[Any]) -> None:
    with pytest.raises(InputError, match=r"arrays go into an \.npz file first") as told:
        moesaic.search(data=np.zeros((100, 100)))
    assert str(told.value).endswith("(given: a ndarray)")
    assert asked == []
