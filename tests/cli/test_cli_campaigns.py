"""`moesaic audit` and `moesaic families` on CSV files: keys, first lines, errors."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from moesaic.cli import app

runner = CliRunner()
WORTH = {"Any": 0, "A": 0.09, "B": 0.02, "C": -0.03, "D": 0.0, "E": -0.2}


def invoke(*words: object) -> Result:
    return runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    rows = ["e1,e2,e3,accuracy,status,cause"]
    for place, row in enumerate(combinations(WORTH, 3)):
        if row[0] == "Any":
            accuracy = 0.5 + sum(WORTH[name] for name in row) + 0.002 * (place % 3)
            rows.append(f"{','.join(row)},{accuracy:.3f},done,")
    rows.append("Any,D,E,,failed,diverged")
    path = tmp_path / "results.csv"
    path.write_text("\n".join(rows))
    return path


def test_audit_names_the_anchored_family_in_its_first_line(results: Path) -> None:
    found = invoke("audit", results)
    assert found.exit_code == 0
    first = found.stdout.splitlines()[0]
    assert first == "Any is in all 10 candidates: nothing is known of mixtures without it."
    assert "11 planned, 11 tried, 10 finished, 1 failed" in found.stdout
    assert "20: 3 of 6 families" in found.stdout
    assert "10 different ones, 50 %" in found.stdout
    assert "failed: 1 diverged" in found.stdout


def test_audit_json_has_the_promised_keys(results: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.txt"
    pool.write_text("\n".join([*WORTH, "F"]))
    told = json.loads(invoke("audit", results, "--pool", pool, "--next", 3, "--json").stdout)
    assert told["anchored"] == ["Any"]
    assert (told["space"], told["distinct"], told["share"]) == (35, 10, 10 / 35)
    assert 0 < told["uniform_p"] <= 1
    assert 0 < told["prefix_p"] <= 1
    assert {"name", "count", "expected", "p"} <= set(told["families"][0])
    assert len(told["next"]) == 3
    assert all("F" in row for row in told["next"])


def test_audit_without_an_anchor_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("families\nA+B\nC+D\n")
    assert invoke("audit", path).stdout.startswith("No family is in every candidate.\n")


def test_families_tell_the_finding_first(results: Path) -> None:
    found = invoke("families", results)
    assert found.exit_code == 0
    assert found.stdout.startswith("Best is A (+")
    assert "worst E (-" in found.stdout.splitlines()[0]
    assert "in all: cannot be told" in found.stdout
    assert "No pair was met twice" in found.stdout
    assert "hold-out" not in found.stdout


def test_families_json_has_the_promised_keys(results: Path, tmp_path: Path) -> None:
    plot = tmp_path / "effects.png"
    words = ["families", results, "--holdout", results, "--plot", plot, "--json"]
    told = json.loads(invoke(*words).stdout)
    assert {"name", "mean", "low", "high", "n"} <= set(told["effects"][0])
    assert told["effects"][0]["name"] == "A"
    assert told["effects"][-1]["name"] == "E"
    for name in ("loo_r2", "loo_spearman", "holdout_r2", "holdout_spearman"):
        assert -1 <= told[name] <= 1
    assert "A" in told["keep"]
    assert "E" in told["drop"]
    assert plot.read_bytes()[:4] == b"\x89PNG"
    assert "hold-out" in invoke("families", results, "--holdout", results).stdout


@pytest.mark.parametrize("command", ["audit", "families"])
def test_what_is_no_campaign_is_one_line_and_exit_2(command: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    for path in (tmp_path, tmp_path / "none.csv", tmp_path / "bad.csv"):
        found = invoke(command, path, "--json")
        assert found.exit_code == 2
        assert found.stderr.count("\n") == 1
        assert json.loads(found.stdout)["status"] == "error"


def test_a_pool_that_lacks_a_family_is_one_line(results: Path, tmp_path: Path) -> None:
    (tmp_path / "pool.txt").write_text("Any\nA\n")
    found = invoke("audit", results, "--pool", tmp_path / "pool.txt")
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "not in the pool" in found.stderr


def test_an_audit_of_a_file_loads_no_torch(results: Path) -> None:
    code = (
        "import sys\nfrom moesaic.cli import app\n"
        f"try:\n    app(['audit', {str(results)!r}])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'sklearn', 'sqlalchemy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_families_that_pay_are_above_the_average_and_the_others_below():
    from moesaic.cli._campaign_summary import _yield

    rows = [("A", 0.02, True), ("B", 0.01, True), ("C", 0.5, False), ("D", -0.01, True)]
    effects = [{"name": n, "mean": mean, "identifiable": known} for n, mean, known in rows]
    assert _yield({"yield": {"effects": effects}}) == {
        "families that pay": "A +2.0, B +1.0",
        "families that do not": "D -1.0",
    }
    assert _yield({"yield": {"effects": effects[:2]}}) == {"families that pay": "A +2.0, B +1.0"}
