"""The benchmark of the number of experts: parts of the data, the promised keys, one-line errors."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from benchmarks.three_domains import parts, run, show

from moesaic.errors import InputError


def write(path: Path, level: int, samples: int = 90) -> str:
    rng = np.random.default_rng(level)
    labels = np.arange(samples + 30) % 2
    images = rng.integers(0, 30, (samples + 30, 8, 8)) + level + 40 * labels[:, None, None]
    np.savez(
        path,
        train_images=images[:samples].astype(np.uint8),
        train_labels=labels[:samples],
        test_images=images[samples:].astype(np.uint8),
        test_labels=labels[samples:],
        classes=np.array([f"dark-{level}", f"light-{level}"]),
    )
    return str(path)


def test_parts_are_the_same_draw_every_time_and_keep_images_with_labels(tmp_path: Path) -> None:
    spec = f"{write(tmp_path / 'a.npz', 0)}+{write(tmp_path / 'b.npz', 150)}"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (parts(spec, 40, tmp_path / name).split("+") for name in ("one", "two"))
    for first, second in zip(one, two, strict=True):
        with np.load(first) as stored, np.load(second) as again:
            assert stored["train_images"].shape == (40, 8, 8)
            assert stored["test_labels"].shape == (20,)
            for key in stored.files:
                assert np.array_equal(stored[key], again[key])
            bright = stored["train_images"].mean(axis=(1, 2))
            labels = stored["train_labels"]
            assert bright[labels == 1].min() > bright[labels == 0].max()


def test_data_that_cannot_be_cut_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--samples 0") as caught:
        parts("digits", 40, tmp_path)
    assert "\n" not in str(caught.value)


def small(tmp_path: Path, *, only_number: bool) -> argparse.Namespace:
    spec = "+".join(write(tmp_path / f"{level}.npz", level) for level in (0, 80, 160))
    return argparse.Namespace(
        data=spec,
        seeds=[0],
        samples=80,
        image_size=8,
        workers=1,
        only_number=only_number,
        set=["trials=4", "rungs=[1,2]", "widths=[4,6]", "epochs=2", "executor=inprocess"],
        out=tmp_path / "runs",
    )


@pytest.mark.slow
def test_every_seed_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    early = run(small(tmp_path, only_number=True))
    assert not (tmp_path / "runs" / "run-0" / "result.json").exists()
    show(early)
    assert "gate right" not in capsys.readouterr().out
    found = run(small(tmp_path, only_number=False))  # goes on with the same run
    assert found["of"] == 1
    one = found["seeds"][0]
    assert one.items() >= early["seeds"][0].items()
    assert one["domains"] == 3
    assert found["right"] == int(one["experts"] == 3)
    assert one["trained"] == max(2, one["experts"])
    assert 0 <= one["agreement"] <= 1
    assert 1 / 3 <= one["groups"] <= 1
    show(found)
    told = capsys.readouterr().out
    assert "for 3 data sets" in told
    assert "gate right on" in told
    assert "1 -> 2" in told
