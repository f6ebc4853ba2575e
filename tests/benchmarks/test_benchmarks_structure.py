"""The benchmark of embedders: purity, one row an embedder and seed, one-line errors."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pytest
from benchmarks.structure import means, purity, run, show

from moesaic.errors import InputError


def words(**changes: Any) -> argparse.Namespace:
    given: dict[str, Any] = {
        "data": "digits+textures",
        "seeds": [0],
        "embedders": ["trained", "classes"],
        "samples": None,
        "image_size": 8,
        "clusters": 3,
        "set": ["rungs=[1]", "executor=inprocess"],
        "divide": False,
    }
    return argparse.Namespace(**{**given, **changes})


def test_purity_is_the_share_that_lies_with_its_own_kind() -> None:
    sources = np.array([0, 0, 0, 1, 1, 2])
    assert purity(np.array([0, 0, 0, 1, 1, 2]), sources) == 1.0
    assert purity(np.zeros(6, np.int64), sources) == pytest.approx(0.5)
    # a source without a group of its own is impure however few the groups are
    assert purity(np.array([0, 0, 0, 1, 1, 1]), sources) == pytest.approx(5 / 6)


def test_means_are_over_the_seeds_of_one_embedder() -> None:
    rows = [
        {"embedder": name, "purity": value, "groups": value, "taken": value}
        | {"routability": 1.0, "seconds": 2.0}
        for name, value in (("trained", 0.5), ("classes", 1.0), ("trained", 0.7))
    ]
    found = means(rows)
    assert found["trained"]["purity"] == pytest.approx(0.6)
    assert found["classes"]["groups"] == 1.0
    assert list(found) == ["trained", "classes"]


def test_data_of_one_source_are_one_line() -> None:
    with pytest.raises(InputError, match="join two with"):
        run(words(data="digits"))


@pytest.mark.slow
def test_every_embedder_and_seed_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(words())
    assert [(row["embedder"], row["clusters"]) for row in found["rows"]] == [
        ("trained", 3),
        ("classes", 3),
    ]
    assert all(0.9 < row["purity"] <= 1 for row in found["rows"])
    assert all(row["groups"] <= row["purity"] + 1e-12 for row in found["rows"])
    show(found)
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 + 2


@pytest.mark.slow
def test_how_a_search_divides_is_measured_beside_ward() -> None:
    tiny = ["rungs=[1]", "trials=2", "epochs=2", "widths=[4,6]", "executor=inprocess"]
    found = run(words(embedders=["trained"], clusters=4, set=tiny, divide=True))
    row = found["rows"][0]
    assert 0.5 <= row["taken"] <= row["purity"] + 1e-12
    assert row["gain"] is None or -1 <= row["gain"] <= 1
