"""The tabular executor obeys the contract, and answers trainings from its table."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moesaic.errors import BuildError, InputError
from moesaic.execution import Executor, Job, Table, TabularExecutor, read_table
from moesaic.spaces import get_space
from moesaic.spaces.families import family_architecture
from moesaic.testing import ExecutorContract, ToySpace

CELL = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
PLAIN = CELL.format(*["nor_conv_3x3"] * 6)
SKIPS = CELL.format(*["skip_connect"] * 6)
# The same network as each other: the edge to vertex 1 leads nowhere.
TWINS = (
    CELL.format("none", "nor_conv_3x3", "none", "none", "none", "nor_conv_1x1"),
    CELL.format("nor_conv_3x3", "none", "none", "none", "nor_conv_1x1", "none"),
)


def train(payload: dict[str, Any]) -> dict[str, Any]:
    raise AssertionError("nothing is trained here")


def toy_table(rows: int = 5) -> Table:
    space = ToySpace(length=3, clusters=2)
    words = list(space.members())[:rows]
    loss = np.arange(2.0 * rows).reshape(rows, 2) / 7 + 0.1
    return Table(space, words, loss=loss, macs=np.arange(rows), seconds=np.ones(rows))


class TestTabularExecutor(ExecutorContract):
    isolated = False

    def make(self) -> Executor:
        return TabularExecutor(toy_table(), instead_of=train)


def ask(table: Table, payload: dict[str, Any]) -> Any:
    executor = TabularExecutor(table, instead_of=train)
    executor.submit(Job("a", train, {"path": "nowhere", "payload": payload}, timeout=1e-9))
    (outcome,) = executor.results()
    return outcome


def test_a_training_is_answered_from_the_table() -> None:
    table = toy_table()
    outcome = ask(table, {"architecture": table.architectures[3].to_dict()})
    assert outcome.status == "done"
    assert outcome.value["loss"] == table.loss[3].tolist()
    assert (outcome.value["macs"], outcome.value["seconds"]) == (3, 1.0)
    assert outcome.value["predictions"] is outcome.value["checkpoint"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": None},
        {"parent": "0123456789abcdef"},
        {"subset": [True, False]},
        {"architecture": ToySpace(length=3).make((3, 3, 3)).to_dict()},
    ],
)
def test_what_a_table_cannot_know_fails_with_its_cause(change: dict[str, Any]) -> None:
    table = toy_table()
    outcome = ask(table, {"architecture": table.architectures[0].to_dict(), **change})
    assert (outcome.status, outcome.cause) == ("failed", "build_error")
    assert "table" in outcome.message


def test_an_encoding_has_its_own_row_and_else_that_of_its_key() -> None:
    space = get_space("nasbench201")
    first, second = (space.parse(cell) for cell in TWINS)
    assert first.key == second.key
    both = Table(space, [second, first], accuracy=[[0.5], [0.25]])
    assert (both.row(first), both.row(second)) == (1, 0)
    assert Table(space, [second], accuracy=[[0.5]]).row(first) == 0
    assert both.row(space.parse(PLAIN)) is None
    with pytest.raises(BuildError, match="the table's own space"):
        both.measured(space.parse(PLAIN))


def test_its_space_draws_and_lists_what_can_be_looked_up() -> None:
    space = get_space("nasbench201")
    dead = CELL.format(*["none"] * 6)
    cells = [space.parse(cell) for cell in (*TWINS, PLAIN, dead)]
    own = Table(space, cells, accuracy=np.full((4, 1), 0.5)).space
    assert own.size == 3
    assert [one.key for one in own.members()] == [cells[0].key, cells[2].key]
    rng = np.random.default_rng(0)
    assert {own.sample(rng).text for _ in range(60)} == {one.text for one in cells[:3]}
    assert own.neighbours(cells[2], rng) == []
    assert own.describe(cells[2]) == PLAIN


def test_the_neighbours_in_a_table_are_those_of_the_space() -> None:
    space = get_space("nasbench201")
    plain = space.parse(PLAIN)
    others = space.neighbours(plain, np.random.default_rng(0))
    own = Table(space, [plain, *others[:7]], accuracy=np.full((8, 1), 0.5)).space
    found = own.neighbours(plain, np.random.default_rng(1))
    assert {one.key for one in found} == {one.key for one in others[:7]}


def test_the_loss_of_an_accuracy_is_its_logarithm() -> None:
    space = ToySpace(length=1)
    table = Table(space, list(space.members()), accuracy=[[1.0], [0.5], [0.25], [0.0]])
    assert table.loss[:, 0] == pytest.approx([0.0, np.log(2), np.log(4), np.log(1000)])
    assert np.isnan(Table(space, table.architectures, loss=table.loss).accuracy).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "loss or the accuracy"),
        ({"loss": [[1.0]]}, "shape"),
        ({"loss": [[1.0], [np.nan]]}, "row 2, cluster 1 is nan"),
        ({"accuracy": [[0.5], [1.5]]}, "row 2, cluster 1 is 1.5"),
        ({"loss": [[1.0], [1.0]], "accuracy": [[0.5, 0.5]] * 2}, "do not fit"),
        ({"loss": [[1.0], [1.0]], "seconds": [1.0]}, "seconds"),
    ],
)
def test_no_measurements_are_refused(words: dict[str, Any], message: str) -> None:
    space = ToySpace(length=1)
    with pytest.raises(InputError, match=message):
        Table(space, list(space.members())[:2], **words)


def write(path: Path, rows: list[list[object]]) -> Path:
    opening = gzip.open if path.suffix == ".gz" else open
    with opening(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_cells_are_read_in_percent(tmp_path: Path, name: str) -> None:
    rows = [["id", "cellstr", "x", "y", "seconds"], [0, PLAIN, 50, "80.0", 7], [1, SKIPS, 25, 0, 8]]
    path = write(tmp_path / name, rows)
    table = read_table(path, get_space("nasbench201"), ["y", "x"], measure="percent")
    assert table.accuracy.tolist() == [[0.8, 0.5], [0.0, 0.25]]
    assert (table.seconds.tolist(), table.macs.tolist()) == ([7.0, 8.0], [0.0, 0.0])


def test_families_json_and_named_columns_are_read(tmp_path: Path) -> None:
    space = get_space("families")
    names = ["AlexNet", "VGG"]
    path = write(tmp_path / "a.csv", [["family", "loss"], *([name, 0.5] for name in names)])
    table = read_table(path, space, ["loss"], measure="loss")
    assert table.architectures == tuple(family_architecture(name) for name in names)
    texts = [json.dumps(one.to_dict()) for one in table.architectures]
    path = write(tmp_path / "b.csv", [["what", "loss"], *([text, 0.5] for text in texts)])
    assert read_table(path, space, ["loss"], measure="loss", column="what").architectures == (
        table.architectures
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["cell", "x"], [PLAIN, 50]], "none of the columns architecture, cellstr, family"),
        ([["cellstr", "y"], [PLAIN, 50]], "no column 'x': it has cellstr, y"),
        ([["cellstr", "x"]], "no rows"),
        ([["cellstr", "x"], [PLAIN, 50], [PLAIN, 51]], "line 3: .* is in line 2 already"),
        ([["cellstr", "x"], ["|what~0|", 50]], "line 2: .* is no architecture of nasbench201"),
        ([["cellstr", "x"], ['{"key": "a"}', 50]], "line 2: .* is no architecture"),
        ([["cellstr", "x"], ["[1]{", 50]], "line 2: .* is no architecture"),
        ([["cellstr", "x"], [PLAIN, "nan"]], "line 2: 'x' is 'nan', expected 0 to 100"),
        ([["cellstr", "x"], [PLAIN, ""]], "line 2: 'x' is ''"),
        ([["cellstr", "x"], [PLAIN, 101]], "line 2: 'x' is '101', expected 0 to 100"),
        ([["cellstr", "x", "macs"], [PLAIN, 1, -1]], "line 2: 'macs' is '-1', expected 0 or more"),
        ([["cellstr", "x"], [PLAIN]], "line 2: the number of cells"),
        ([["cellstr", "x"], [PLAIN, 1, 2]], "line 2: the number of cells"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(
    tmp_path: Path, rows: list[list[object]], message: str
) -> None:
    path = write(tmp_path / "a.csv", rows)
    with pytest.raises(InputError, match=message) as error:
        read_table(path, get_space("nasbench201"), ["x"], measure="percent")
    assert "\n" not in str(error.value)


def test_files_and_words_that_cannot_be_read(tmp_path: Path) -> None:
    space = get_space("nasbench201")
    with pytest.raises(InputError, match="cannot read"):
        read_table(tmp_path / "nowhere.csv", space, ["x"])
    (tmp_path / "a.csv.gz").write_text("not gzip")
    with pytest.raises(InputError, match="cannot read"):
        read_table(tmp_path / "a.csv.gz", space, ["x"])
    path = write(tmp_path / "a.csv", [["cellstr", "x"], [PLAIN, 0.5]])
    with pytest.raises(InputError, match="choose one of loss, accuracy, percent"):
        read_table(path, space, ["x"], measure="error")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no column 'cell'"):
        read_table(path, space, ["x"], column="cell")
    with pytest.raises(InputError, match="name a column"):
        read_table(path, space, [])
