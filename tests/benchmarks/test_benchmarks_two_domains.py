"""The benchmark of the main job answers any two .npz files of the format with the promised keys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def write(path: Path, level: int) -> str:
    rng = np.random.default_rng(level)
    labels = np.arange(120) % 2
    images = rng.integers(0, 40, (120, 10, 10)) + level + 60 * labels[:, None, None]
    np.savez(
        path,
        train_images=images[:90].astype(np.uint8),
        train_labels=labels[:90],
        test_images=images[90:].astype(np.uint8),
        test_labels=labels[90:],
        classes=np.array(["dark", "light"]),
    )
    return str(path)


@pytest.mark.slow
def test_json_has_the_promised_keys(tmp_path: Path) -> None:
    spec = f"{write(tmp_path / 'a.npz', 0)}+{write(tmp_path / 'b.npz', 120)}"
    words = (
        "--image-size 8 --experts 2 --repeats 2 --epochs 2 --set trials=4 --set rungs=[1] "
        "--set widths=[4,6] --set executor=inprocess --json"
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.two_domains", "--data", spec, *words.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    for name in ("gain_over_single", "gain_over_single_long", "gain_over_ensemble"):
        gain = found[name]
        assert gain["low"] <= gain["mean"] <= gain["high"]
    assert 0.5 <= found["routing_agreement"] <= 1
    assert found["seconds"] > 0
    assert found["status"] == "done"


def test_a_missing_file_is_one_line_and_exit_code_two() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.two_domains", "--data", "no-such.npz", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no-such.npz" in done.stderr
