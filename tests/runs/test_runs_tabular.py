"""A search against a table makes the decisions of a real one, and pays for nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moesaic.config import make_config
from moesaic.errors import InputError
from moesaic.execution import Table, read_table
from moesaic.runs import open_run, record_table, search, tabular_search
from moesaic.runs._context import load_context, load_partition, make_space
from moesaic.runs._structure import cluster_weight
from moesaic.testing import ToySpace

TRIALS = 22


@pytest.fixture(scope="module")
def trained(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished search that went on after its stratified start."""
    folder = tmp_path_factory.mktemp("tabular") / "run"
    settings = {
        "data": spec,
        "experts": 2,
        "clusters": 2,
        "trials": TRIALS,
        "rungs": (1,),
        "widths": (2,),
        "epochs": 1,
        "rounds": 1,
        "baselines": False,
        "executor": "inprocess",
        "seed": 3,
    }
    search(make_config(settings), folder)
    return folder


def test_a_recorded_table_replays_to_the_same_proposals(trained: Path, tmp_path: Path) -> None:
    run = open_run(trained)
    columns = record_table(run, tmp_path / "table.csv")
    space = make_space(run.config, load_context(str(trained)).dataset)
    table = read_table(tmp_path / "table.csv", space, columns, measure="loss")
    weight = cluster_weight(load_partition(str(trained)))
    found = tabular_search(table, space, "joint", 2, TRIALS, run.config.seed, weight=weight)
    with run.bank() as bank:
        real = bank.observations("rung-0")
    assert len(real) == TRIALS
    assert [one.trial.architecture for one in found.observations] == [
        one.trial.architecture for one in real
    ]
    for mine, theirs in zip(found.observations, real, strict=True):
        assert np.array_equal(mine.loss, theirs.loss)
        assert (mine.macs, mine.parameters, mine.seconds) == (
            theirs.macs, theirs.parameters, theirs.seconds,
        )  # fmt: skip
    with pytest.raises(InputError, match="cannot write"):
        record_table(run, tmp_path / "table.csv")
    with pytest.raises(InputError, match="no finished expert of stage 'nothing'"):
        record_table(run, tmp_path / "other.csv", "nothing")


def toy(length: int = 3, seed: int = 0) -> Table:
    space = ToySpace(length=length, clusters=3, seed=seed)
    words = list(space.members())
    return Table(space, words, loss=np.stack([space.loss(word) for word in words]))


def keys(found: Any) -> list[str]:
    return [one.trial.architecture.key for one in found.observations]


@pytest.mark.parametrize("strategy", ["random", "evolution", "decomposed", "joint"])
def test_a_search_pays_for_so_many_different_rows(strategy: str) -> None:
    table = toy()
    options = {"surrogate": "ridge"} if strategy in ("decomposed", "joint") else {}
    found = tabular_search(table, None, strategy, 2, 30, 5, 4, options=options)
    assert len(set(keys(found))) == len(keys(found)) == 30
    assert [one.trial.index for one in found.observations] == list(range(30))
    assert keys(tabular_search(table, None, strategy, 2, 30, 5, 4, options=options)) == keys(found)
    for one in found.observations:
        assert np.array_equal(one.loss, table.loss[table.row(one.trial.architecture)])


def test_a_table_that_is_used_up_ends_the_search() -> None:
    table = toy(length=2)
    assert len(tabular_search(table, None, "random", 1, 100, 0, 8).observations) == len(table)


def test_the_selection_after_every_trial_never_gets_worse() -> None:
    found = tabular_search(toy(), None, "random", 2, 12, 0, 4)
    objectives = [found.selection(paid).objective for paid in range(1, 13)]
    assert all(later <= sooner for sooner, later in pairwise(objectives))
    assert found.selection().chosen == found.selection(12).chosen
    with pytest.raises(InputError, match="choose 1 to 12"):
        found.selection(13)


def test_what_the_table_lacks_fails_and_is_not_proposed_again() -> None:
    whole = toy(length=2)
    half = Table(whole.space, whole.architectures[::2], loss=whole.loss[::2])
    found = tabular_search(half, whole.space, "random", 1, 16, 0, 4)
    assert set(keys(found)) == {one.key for one in half.architectures}
    assert len(found.failed) == 8
    assert not {trial.architecture.key for trial in found.failed} & set(keys(found))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"trials": 0}, "at least 1"),
        ({"batch": 0}, "at least 1"),
        ({"strategy": "randem"}, "did you mean random"),
        ({"weight": [1.0]}, "3 clusters"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tabular_search(toy(length=2), **words)
