"""The benchmark of tabulated cells plays every peer that is there, on any table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks._nasbench_game import OPERATIONS, Game, Ledger, floor, regrets
from benchmarks._nasbench_peers import PEERS, installed
from benchmarks._nasbench_search import play_all, summary
from benchmarks._nasbench_table import read_tables
from benchmarks.nasbench import main

WORTH = {"none": -9, "skip_connect": 1, "nor_conv_1x1": 4, "nor_conv_3x3": 6, "avg_pool_3x3": -2}
COLUMNS = ("a-val", "b-val", "a-test", "b-test")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 60 cells whose accuracy is nearly additive in their operations."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("nasbench") / "cells.csv"
    codes = rng.choice(5**6, 60, replace=False)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "cellstr", *COLUMNS])
        for place, code in enumerate(codes):
            names = [OPERATIONS[digit] for digit in np.unravel_index(code, (5,) * 6)]
            text = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*names)
            worth = sum(WORTH[name] for name in names)
            noise = rng.normal(0, 1.5, 4)
            values = np.array([60, 40, 62, 41]) + worth * np.array([0.8, 0.5, 0.8, 0.5]) + noise
            writer.writerow([place, text, *(f"{value:.3f}" for value in values)])
    return path


def game(table: Path) -> Game:
    return Game(read_tables([table], COLUMNS[:2], COLUMNS[2:]))


def asked(table: Path, *words: str) -> list[str]:
    return [
        *("--table", str(table), "--clusters", "a-val,b-val", "--judge", "a-test,b-test"),
        *words,
    ]


def test_every_search_pays_for_different_cells(table: Path) -> None:
    playing = game(table)
    names, missing = installed(list(PEERS))
    assert {"joint", "decomposed", "random", "evolution"} <= set(names)
    assert all("not installed" in why for why in missing.values())
    for name in ("decomposed-gp", "random", "evolution"):
        rows = PEERS[name][1](playing, 40, 3)
        assert len(set(rows)) == len(rows) == 40
        assert PEERS[name][1](playing, 40, 3) == rows
        assert PEERS[name][1](playing, 40, 4) != rows


def test_a_cell_that_the_table_lacks_is_answered_by_the_nearest(table: Path) -> None:
    playing = game(table)
    codes = [
        [OPERATIONS.index(edge[2]) for edge in json.loads(one.text)["edges"]]
        for one in playing.cells.architectures
    ]
    ledger = Ledger(playing, 60)
    for row, code in enumerate(codes):
        assert ledger.pay(code).tolist() == playing.cells.accuracy[row].tolist()
    assert ledger.rows == list(range(60))
    assert not ledger.open
    rng = np.random.default_rng(1)
    for choice in rng.integers(0, 5, (20, 6)):
        row = int(playing.row_of[tuple(choice)])
        distances = (np.array(codes) != choice).sum(axis=1)
        assert distances[row] == distances.min()


def test_who_only_repeats_itself_is_stopped_and_pays_once(table: Path) -> None:
    ledger = Ledger(game(table), 5)
    turns = 0
    while ledger.open:
        ledger.pay([0] * 6)
        turns += 1
    assert (turns, len(ledger.rows)) == (50, 1)


def test_regret_is_of_what_guides_best_among_the_paid(table: Path) -> None:
    playing = game(table)
    guide, judge = playing.cells.accuracy, playing.cells.judge_accuracy
    rows = [7, 3, 44, 12]
    found = regrets(playing, rows, [1, 3, 100])
    for count in (1, 3, 100):
        paid = rows[:count]
        best = [max(paid, key=lambda row: guide[row, m]) for m in range(2)]
        assert found["judge"][str(count)] == pytest.approx(
            sum(judge[:, m].max() - judge[best[m], m] for m in range(2))
        )
        assert found["guide"][str(count)] == pytest.approx(
            sum(guide[:, m].max() - guide[best[m], m] for m in range(2))
        )
    everything = regrets(playing, range(60), [60])
    assert everything["guide"]["60"] == 0
    assert everything["judge"]["60"] == pytest.approx(floor(playing))


def test_equals_are_averaged(table: Path) -> None:
    playing = game(table)
    playing.cells.accuracy[[3, 7]] = 99.0
    first, second = (regrets(playing, rows, [2])["judge"]["2"] for rows in ([3, 7], [7, 3]))
    alone = [regrets(playing, [row], [1])["judge"]["1"] for row in (3, 7)]
    assert first == second == pytest.approx(np.mean(alone))


def test_what_was_played_is_kept_and_not_played_again(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = game(table).cells
    cache = tmp_path / "cache.jsonl"
    first = play_all(cells, ["random"], range(3), 20, 1, cache)
    with cache.open("a") as file:
        file.write('{"peer": "random", "se')  # a write that was cut off
    monkeypatch.setitem(PEERS, "random", (None, lambda *_: pytest.fail("played again")))
    assert [one["rows"] for one in play_all(cells, ["random"], range(3), 20, 1, cache)] == [
        one["rows"] for one in first
    ]
    told = summary(cells, first, 20)
    assert set(told["search"]["random"]) == {"20"}
    low, high = told["search_quartiles"]["random"]["20"]
    assert low <= told["search"]["random"]["20"] <= high
    cells.accuracy[0] += 1.0
    with pytest.raises(Exception, match="another table"):
        play_all(cells, ["random"], range(3), 20, 1, cache)


def test_the_command_prints_one_object(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peers = "decomposed-gp,random,evolution"
    words = ("--parts", "search", "--peers", peers, "--seeds", "1", "--trials", "51")
    figure = tmp_path / "a.png"
    assert main(asked(table, *words, "--json", "--figure", str(figure))) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["cells"] == 60
    assert set(found["search"]) == set(peers.split(","))
    assert all(set(row) == {"50", "51"} for row in found["search"].values())
    assert found["skipped"] == {}
    assert found["bar"]["peer"] in ("random", "evolution")
    assert found["search"]["decomposed-gp"]["50"] <= found["search"]["random"]["50"] + 5
    assert figure.stat().st_size > 1000
    assert main(asked(table, *words)) == 0
    assert "best other tool" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--parts", "serch"), "did you mean search"),
        (("--peers", "randum"), "did you mean random"),
        (("--seeds", "0"), "give 1 or more"),
    ],
)
def test_wrong_words_are_one_line(
    table: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(table, *words)) == 2
    assert message in capsys.readouterr().err
