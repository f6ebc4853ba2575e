"""The benchmark of learning curves on synthetic trials: definitions, holding out, refusals."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import learning_curves
from benchmarks._trials import COLUMNS, MORE, read_trials
from scipy.stats import spearmanr

from moesaic.surrogate import _curves

HEAD = [*COLUMNS, *MORE, "extra"]


def write(path: Path, families: int = 6, each: int = 5) -> Path:
    """Write trials that end 12 epochs long, higher the lower their learning rate is."""
    rng = np.random.default_rng(0)
    rows: list[list[object]] = []
    for family in range(families):
        level = float(rng.uniform(0.3, 0.4))
        for one in range(each):
            rate = float(10.0 ** rng.uniform(-3, -1))
            start = level + float(rng.uniform(0, 0.05))
            for epoch in range(1, 13):
                late = -0.15 * np.log10(rate) if epoch > 3 else 0.0
                share = round(start + float(late) + 0.002 * epoch, 5)
                momentum = "" if one == 0 else 0.9
                shape = "norm_64_flip" if one % 2 else "echo"
                words = [f"Net{family}", epoch, share, 32, rate, momentum, "", shape]
                rows.append([*words, 2.0 * epoch, f"{family}-{one}", ""])
    with gzip.open(path, "wt", newline="") as stream:
        csv.writer(stream).writerows([HEAD, *rows])
    return path


def run(monkeypatch: pytest.MonkeyPatch, words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["learning_curves", *words.split()])
    return learning_curves.main()


def test_the_forecast_is_ahead_by_every_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_curves, "TREES", 8)
    path = write(tmp_path / "trials.csv.gz")
    assert run(monkeypatch, f"--trials {path} --early 3 --final 12 --draws 50 --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"families": 6, "configurations": 30}
    for name in ("configurations", "within"):
        assert found[name]["difference"]["value"] > 0.2
        assert found[name]["difference"]["low"] <= found[name]["difference"]["high"]
    trials = read_trials(path, 3)
    names = [f"Net{family}" for family in range(6)]
    early, late = ([trials.best[name, epoch] for name in names] for epoch in (3, 12))
    assert found["families"]["early"]["value"] == pytest.approx(spearmanr(early, late).statistic)
    assert sum(found["models"].values()) == 6
    assert 0.0 <= found["coverage90"] <= 1.0


def test_families_that_are_kin_are_held_out_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "trials.csv.gz")
    assert run(monkeypatch, f"--trials {path} --early 3 --final 12 --held-out kin") == 2
    assert "0 curves of 0 families" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("family", "kin"),
    [
        ("DPN68", "DPN"),
        ("MoEv4", "MoE"),
        ("MoE-0707", "MoE"),
        ("MobileNetV2", "MobileNet"),
        ("InceptionV3-1", "Inception"),
        ("ResNet", "ResNet"),
        ("UNet2D", "UNet"),
        ("BayesianNet-2", "BayesianNet"),
    ],
)
def test_names_up_to_their_number_are_kin(family: str, kin: str) -> None:
    assert learning_curves.kin_of(family) == kin


def test_trials_are_read_as_curves(tmp_path: Path) -> None:
    trials = read_trials(write(tmp_path / "trials.csv.gz"), 3)
    assert trials.rows == 6 * 5 * 12
    first, second = trials.curves[:2]
    assert list(first.scores) == list(range(1, 13))
    assert "momentum" not in first.settings
    assert first.settings["side"] == 5.0
    assert first.settings["seconds_in_family"] == 0.0
    assert second.settings["side"] == 6.0
    assert second.settings["flip"] == 1.0
    assert second.settings["seconds"] == pytest.approx(np.log(2.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no file"),
        ("family,epoch\nA,1\n", "no column accuracy"),
        (",".join(HEAD) + "\nA,one,.5,32,.1,,,echo,1,u,\n", "line 2"),
        (",".join(HEAD) + "\nA,1,55,32,.1,,,echo,1,u,\n", "outside 0 to 1"),
        (",".join(HEAD) + "\nA,1,.5,0,.1,,,echo,1,u,\n", "line 2"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    words: str,
) -> None:
    path = tmp_path / "trials.csv"
    if text is not None:
        path.write_text(text)
    assert run(monkeypatch, f"--trials {path}") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said
    assert said.count("\n") == 1
