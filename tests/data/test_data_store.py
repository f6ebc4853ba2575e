"""Saved data sets: they come back equal, the test split stays closed, nothing is lost."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.data import Dataset, Split, load_dataset, open_dataset, save_dataset
from moesaic.errors import InputError


def small(
    count: int = 12, *, vectors: bool = False, domains: bool = True, seed: int = 0
) -> Dataset:
    gen = torch.Generator().manual_seed(seed)

    def split(n: int) -> Split:
        inputs = (
            torch.randn(n, 4, generator=gen)
            if vectors
            else torch.randint(0, 256, (n, 3, 5, 5), generator=gen).to(torch.uint8)
        )
        labels = torch.randint(0, 3, (n,), generator=gen)
        return Split(inputs, labels, labels // 2 if domains else None)

    names = ("x", "y") if domains else None
    return Dataset("s", split(count), split(4), split(5), ("a", "b", "c"), names, 2, ("note",))


def same(a: Split, b: Split) -> bool:
    if (a.domains is None) != (b.domains is None):
        return False
    domains = a.domains is None or b.domains is None or a.domains.equal(b.domains)
    return a.inputs.equal(b.inputs) and a.labels.equal(b.labels) and domains


@given(st.integers(1, 30), st.booleans(), st.booleans())
@settings(max_examples=15, deadline=None)
def test_round_trip(tmp_path_factory, count, vectors, domains):
    folder = tmp_path_factory.mktemp("store") / "data"
    dataset = small(count, vectors=vectors, domains=domains)
    save_dataset(dataset, folder)
    opened = open_dataset(folder, test=True)
    for part in ("train", "validation", "test"):
        assert same(getattr(opened, part), getattr(dataset, part))
    assert opened.fingerprint() == dataset.fingerprint()
    for field in ("name", "classes", "domain_names", "skipped", "notes"):
        assert getattr(opened, field) == getattr(dataset, field)


def test_without_test_its_files_are_not_touched(tmp_path):
    dataset = small()
    save_dataset(dataset, tmp_path)
    for file in tmp_path.glob("test_*"):
        file.unlink()
    opened = open_dataset(tmp_path)
    assert len(opened.test) == 0
    assert opened.test.inputs.shape == (0, 3, 5, 5)
    assert opened.test.inputs.dtype == torch.uint8
    assert same(opened.train, dataset.train)
    with pytest.raises(InputError, match="not a whole saved data set"):
        open_dataset(tmp_path, test=True)


@pytest.mark.filterwarnings("error")
def test_opened_data_is_mapped_and_private(tmp_path):
    dataset = small()
    save_dataset(dataset, tmp_path)
    opened = open_dataset(tmp_path)
    opened.train.inputs.zero_()
    assert same(open_dataset(tmp_path).train, dataset.train)


def test_saving_again_changes_nothing_and_another_data_set_is_refused(tmp_path):
    save_dataset(small(), tmp_path)
    before = {
        file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()
    }
    save_dataset(small(), tmp_path)
    with pytest.raises(InputError, match="holds other data"):
        save_dataset(small(seed=1), tmp_path)
    after = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()}
    assert after == before
    (tmp_path / "train_inputs.npy").unlink()
    save_dataset(small(), tmp_path)
    assert same(open_dataset(tmp_path).train, small().train)


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path, monkeypatch):
    calls = []

    def full(stream, array, **options):
        calls.append(1)
        stream.write(b"half")
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        np.lib.format.write_array(stream, array)

    folder = tmp_path / "data"
    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(InputError, match="No space left on device; free some space"):
        save_dataset(small(), folder)
    assert not [file for file in os.listdir(folder) if file.endswith(".tmp")]
    assert len(os.listdir(folder)) == 2
    monkeypatch.undo()
    with pytest.raises(InputError, match="not a whole saved data set"):
        open_dataset(folder)
    save_dataset(small(), folder)
    assert same(open_dataset(folder).train, small().train)


def test_files_that_are_not_ours(tmp_path):
    with pytest.raises(InputError, match="not a whole saved data set"):
        open_dataset(tmp_path / "missing")
    for text in ("{", "[]", json.dumps({"format": 99})):
        (tmp_path / "meta.json").write_text(text)
        with pytest.raises(InputError, match="not a whole saved data set"):
            open_dataset(tmp_path)
        with pytest.raises(InputError, match="holds other data"):
            save_dataset(small(), tmp_path)
    (tmp_path / "meta.json").unlink()
    save_dataset(small(), tmp_path)
    trap = np.array([{}], dtype=object)
    np.save(tmp_path / "train_labels.npy", trap, allow_pickle=True)
    with pytest.raises(InputError, match="not a whole saved data set"):
        open_dataset(tmp_path)


def test_mosaic_survives(tmp_path):
    dataset = load_dataset("mosaic", image_size=8)
    save_dataset(dataset, tmp_path / "a" / "b")
    assert open_dataset(tmp_path / "a" / "b", test=True).fingerprint() == dataset.fingerprint()
