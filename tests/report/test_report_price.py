"""The section on the price of compute: there with a price, gone without, drawn and told."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from page_reader import Page
from report_helpers import FakeRun, make_dataset, render


def told(**changes: Any) -> dict[str, Any]:
    return {
        "price": 2.0,
        "max_macs": None,
        "unit": "points of accuracy per million MACs",
        "gate_macs": 17_000,
        "gate": {
            "size": 0.5,
            "tried": [
                {"size": 1.0, "macs": 66_000, "right": 0.991},
                {"size": 0.5, "macs": 17_000, "right": 0.987},
            ],
        },
        "chosen": {"macs": 400_000, "error": 0.31},
        "front": [{"macs": 1e5, "error": 0.9}, {"macs": 4e5, "error": 0.31}],
        "generalists": [{"macs": 1e5, "error": 0.9}, {"macs": 5e5, "error": 0.4}],
        "homogeneous": [{"macs": 1e5, "error": 0.9}, {"macs": 2e6, "error": 0.4}],
        "equal_accuracy": [
            {"error": 0.9, "homogeneous_macs": 1e5, "macs": 1e5, "saving": 0.0},
            {"error": 0.4, "homogeneous_macs": 2e6, "macs": 5e5, "saving": 0.75},
        ],
        **changes,
    }


def test_a_search_without_a_price_has_no_such_section(page: Page) -> None:
    assert "What compute buys" not in page.text


def test_front_chosen_cost_and_savings_are_told(fake_run: FakeRun) -> None:
    fake_run.result["price"] = told()
    page = render(fake_run)
    section = page.section("price")
    words = section.text.replace("\u202f", " ")
    for part in (
        "2 (points of accuracy per million MACs",
        "400 k MACs",
        "17.0 k of the gate",
        "75 %",
    ):
        assert part in words
    assert "99.1 % at 66.0 k MACs, 98.7 % at 17.0 k MACs" in words
    assert "at most" not in words
    assert "moesaic cascade" not in words  # this run tried no sizes
    picture = section.every("svg")[0]
    assert "100" in str(picture["aria-label"])
    assert "31.0 %" in str(picture["aria-label"]).replace("\u202f", " ")
    assert "mathdefault" not in fake_run.text  # ticks are numbers, not formulas
    assert page.open == []


def test_a_limit_is_told_and_missing_parts_are_left_out(fake_run: FakeRun) -> None:
    fake_run.result["price"] = told(
        price=None,
        max_macs=1e6,
        front=[],
        generalists=[],
        homogeneous=[],
        equal_accuracy=[],
        gate=None,
    )
    section = render(fake_run).section("price")
    assert "1.00 M MACs at most" in section.text
    assert not section.every("svg")
    assert not section.every("table")


def test_where_sizes_were_tried_it_says_how_to_make_a_cascade_of_them(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "a run", make_dataset(), repeats=3, rounds=0)
    run.result["price"] = told()
    page = render(run)
    place = shlex.quote(str(run.folder))
    out = shlex.quote(f"{run.folder}-cascade")
    assert f"moesaic cascade {place} --out {out}" in page.section("price").text
    assert page.open == []
