"""The benchmarks of what validation flatters and of what resolution costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_data import write
from benchmarks import leak, resolution
from scipy import stats

ROOT = Path(__file__).parents[2]


def call(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *words, "--epochs", "1", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_validation_flatters_is_a_mean_over_widths_and_seeds() -> None:
    rows = [
        {"split": kind, "seed": seed, "width": width, "macs": 10, "test": 0.5 + 0.1 * width}
        | {"validation": 0.5 + 0.2 * width + (0.1 * seed if kind == "images" else 0)}
        for kind in leak.KINDS
        for seed in (0, 1)
        for width in (1, 2)
    ]
    found = leak.conclude(rows)["splits"]
    assert found["groups"]["flattery"] == pytest.approx(0.15)
    assert found["images"]["flattery"] == pytest.approx(0.2)
    assert found["images"]["gain"]["validation"] == pytest.approx(0.2)
    assert found["images"]["gain"]["test"] == pytest.approx(0.1)


def test_gains_of_a_stride_are_paired_by_cell_and_seed() -> None:
    rng = np.random.default_rng(0)
    before, gain = rng.uniform(0.4, 0.6, 6), rng.normal(0.02, 0.01, 6)
    rows = [
        {"data": "a", "stride": stride, "macs": 1, "validation": value, "seconds": seconds}
        for one, more in zip(before, gain, strict=True)
        for stride, value, seconds in ((1, one, 4.0), (2, one + more, 3.0))
    ]
    first, second = resolution.conclude(rows)
    expected = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
    assert second["gain"]["low"] == pytest.approx(expected.low)
    assert second["gain"]["high"] == pytest.approx(expected.high)
    assert second["time"] == pytest.approx(0.75)
    assert first["gain"]["mean"] == 0


@pytest.mark.slow
def test_both_run(tmp_path: Path) -> None:
    data = write(tmp_path / "a.npz", 0)
    place = ("--out", str(tmp_path / "cut"), "--seeds", "0")
    told = call("benchmarks.leak", "--data", data, "--widths", "0.3", "0.5", *place)
    assert {row["split"] for row in told["rows"]} == set(leak.KINDS)
    assert all(0 <= row[part] <= 1 for row in told["rows"] for part in ("validation", "test"))
    told = call("benchmarks.resolution", "--data", data, "--macs", "5e4", "--cells", "1", *place)
    assert [row["stride"] for row in told["data"]] == [1, 2]
