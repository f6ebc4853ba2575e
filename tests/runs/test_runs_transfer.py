"""Transfer from an earlier run: recorded, not needed again, refused where it does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from moesaic.config import make_config
from moesaic.errors import InputError
from moesaic.runs import open_run, resume, search
from moesaic.runs._transfer import read_bank
from moesaic.spaces import get_space


class StopEarly(Exception):
    pass


@pytest.fixture(scope="module")
def earlier(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search whose generalists are trained, and no more."""
    from moesaic.runs import _search

    folder = tmp_path_factory.mktemp("earlier") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_search, "specialise", _stop)
        with pytest.raises(StopEarly):
            search(make_config(_settings(spec, trials=9)), folder)
    return folder


def _stop(*_: object) -> None:
    raise StopEarly


def _settings(spec: str, **more: Any) -> dict[str, Any]:
    return {
        "data": spec,
        "experts": 2,
        "clusters": 2,
        "rungs": (1,),
        "widths": (4, 6),
        "epochs": 1,
        "baselines": False,
        "rounds": 0,
        "executor": "inprocess",
        **more,
    }


def test_the_bank_is_copied_and_the_other_run_is_not_needed_to_resume(
    earlier: Path, spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moesaic.runs import _search

    other = tmp_path / "other"
    shutil.copytree(earlier, other)
    settings = _settings(spec, trials=10, seed=5, transfer=str(other))
    with monkeypatch.context() as patch:
        patch.setattr(_search, "specialise", _stop)
        with pytest.raises(StopEarly):
            search(make_config(settings), tmp_path / "whole")
    whole = tmp_path / "whole"
    proposed = [trial.architecture for trial in _trials(whole)]
    with open_run(whole).bank() as bank:
        copied = bank.meta("transfer")
    assert copied["run"] == str(other.resolve())
    assert len(copied["architectures"]) == len(copied["loss"]) == 9
    with monkeypatch.context() as patch:
        patch.setattr(_search, "find_structure", _stop)
        with pytest.raises(StopEarly):
            search(make_config(settings), tmp_path / "broken")
    shutil.rmtree(other)
    with monkeypatch.context() as patch:
        patch.setattr(_search, "specialise", _stop)
        with pytest.raises(StopEarly):
            resume(tmp_path / "broken")
    assert [trial.architecture for trial in _trials(tmp_path / "broken")] == proposed


def test_proxies_of_every_cluster_reach_the_surrogate(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moesaic.runs import _generalists, _search

    made: list[Any] = []
    real = _generalists.get_strategy

    def keep(*given: Any, **options: Any) -> Any:
        made.append(real(*given, **options, initial=4))
        return made[-1]

    monkeypatch.setattr(_generalists, "get_strategy", keep)
    monkeypatch.setattr(_search, "specialise", _stop)
    proxies = ("naswot", "synflow", "parameters")
    with pytest.raises(StopEarly):
        search(make_config(_settings(spec, trials=12, proxies=proxies)), tmp_path / "run")
    strategy = made[0]
    told = strategy._memory.architectures()
    columns = strategy.surrogate._encoder.inputs(told).features
    plain = strategy.space.features(told[0])
    assert columns.shape == (len(told), len(plain) + 2 * 3)
    assert columns[:, len(plain) :].std(axis=0).min() > 0
    assert strategy.surrogate.quality.observations >= 8


def test_an_unknown_proxy_is_refused_before_anything_is_written(spec: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean naswot"):
        search(make_config(_settings(spec, trials=4, proxies=("nasword",))), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _trials(folder: Path) -> list[Any]:
    with open_run(folder).bank() as bank:
        return bank.trials("rung-0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"space": "sanas"}, "a run of the space nasbench201, but this one searches sanas"),
        ({"transfer": "nowhere"}, "no run in nowhere"),
        ({"strategy": "random"}, "the strategy random asks no surrogate"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    earlier: Path, spec: str, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    settings = _settings(spec, trials=4, **{"transfer": str(earlier), **change})
    with pytest.raises(InputError, match=words) as caught:
        search(make_config(settings), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_bank_of_too_few_is_refused(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moesaic.runs._transfer.LEAST", 10)
    with pytest.raises(InputError, match="measured 9 architectures"):
        read_bank(str(earlier), get_space("nasbench201"))
