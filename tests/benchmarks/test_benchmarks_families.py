"""The benchmark of the families prints a row for each, and refuses a bad pool in one line."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from benchmarks import families


def run(monkeypatch: pytest.MonkeyPatch, words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["families", *words.split()])
    threads = torch.get_num_threads()
    try:
        return families.main()
    finally:
        torch.set_num_threads(threads)


def test_json_has_a_row_a_family(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--pool AlexNet,DarkNet --size 8 --channels 1 --batch 2 --steps 1 --json"
    assert run(monkeypatch, words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["family"] for row in found["families"]] == ["AlexNet", "DarkNet"]
    for row in found["families"]:
        assert row["parameters"] > 0
        assert row["macs"] > 0
        assert row["images_per_second"] > 0
        assert row["slow"] == (row["family"] in found["slow"])


def test_a_table_ends_with_the_slow_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(families, "SLOW", 1e12)
    assert run(monkeypatch, "--pool DarkNet --size 8 --batch 2 --steps 1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("DarkNet")
    assert lines[-1].endswith("images/s: DarkNet")


@pytest.mark.parametrize("words", ["--pool Nobody", "--pool DarkNet --size 4"])
def test_bad_input_is_one_line(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, words) in (1, 2)
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert not said.out
