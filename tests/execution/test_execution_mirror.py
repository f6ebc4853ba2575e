"""The copy of a run directory on a worker's machine: what goes there and what comes home."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.execution._mirror import (
    bring_home,
    fill_mirror,
    inside,
    open_mirror,
    remove_mirror,
    returned_files,
    stamps,
    take_files,
)


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch) -> Iterator[None]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    remove_mirror("m")


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "run"
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "data" / "a").write_bytes(b"aa")
    (folder / "data" / "deep" / "b").write_bytes(b"")
    (folder / "config").write_bytes(b"c")
    (folder / "other").write_bytes(b"not asked for")
    return folder


def contents(folder: Path, files) -> list[np.ndarray]:
    return [np.fromfile(folder / file.name, dtype=np.uint8) for file in files]


def copy(folder: Path, needs: tuple[str, ...]) -> Path:
    mirror, files = open_mirror("m"), stamps(folder, needs)
    fill_mirror(mirror, files, contents(folder, files))
    return mirror


def test_needs_are_files_and_whole_folders_and_what_is_missing_is_left_out(folder):
    found = stamps(folder, ("config", "data", "missing", "data/a"))
    assert [(file.name, file.size) for file in found] == [
        ("config", 1),
        ("data/a", 2),
        ("data/deep/b", 0),
    ]
    (folder / "data" / "a").write_bytes(b"changed")
    assert stamps(folder, ("data/a",)) != found[1:2]


@pytest.mark.parametrize("name", ["..", "a/../../b", "/etc/passwd", "", "."])
def test_names_that_lead_out_are_refused(folder, name):
    with pytest.raises(InputError, match="leads out of the run directory"):
        inside(name)
    with pytest.raises(InputError):
        stamps(folder, (name,))
    with pytest.raises(InputError):
        bring_home(folder, {name: np.zeros(1, np.uint8)})
    with pytest.raises(InputError):
        take_files(folder, {"predictions": name})


@settings(max_examples=60, deadline=None)
@given(st.text("ab./", max_size=12))
def test_a_name_that_is_let_through_stays_inside(name):
    try:
        inside(name)
    except InputError:
        return
    root = Path("/root/of/run")
    assert Path(os.path.normpath(root / name)).is_relative_to(root)


def test_a_mirror_holds_what_was_asked_for_and_only_replaces_what_changed(folder):
    mirror = copy(folder, ("config", "data"))
    assert (mirror / "data" / "a").read_bytes() == b"aa"
    assert (mirror / "data" / "deep" / "b").read_bytes() == b""
    assert not (mirror / "other").exists()
    before = {name: (mirror / name).stat().st_ino for name in ("config", "data/a")}
    (folder / "data" / "a").write_bytes(b"AA")
    os.utime(folder / "data" / "a", ns=(1, 1))  # older than before, and as long
    assert copy(folder, ("config", "data")) == mirror
    assert (mirror / "data" / "a").read_bytes() == b"AA"
    assert (mirror / "config").stat().st_ino == before["config"]
    assert (mirror / "data" / "a").stat().st_ino != before["data/a"]


def test_what_is_open_in_a_mirror_survives_a_newer_version(folder):
    np.save(folder / "array.npy", np.arange(5))
    mapped = np.load(copy(folder, ("array.npy",)) / "array.npy", "r", allow_pickle=False)
    np.save(folder / "array.npy", np.arange(5) + 100)
    mirror = copy(folder, ("array.npy",))
    assert mapped.tolist() == [0, 1, 2, 3, 4]
    assert np.load(mirror / "array.npy", allow_pickle=False).tolist() == [100, 101, 102, 103, 104]


def test_what_a_mapping_names_comes_home_and_leaves_the_mirror(folder):
    mirror = copy(folder, ("config",))
    (mirror / "predictions").mkdir()
    (mirror / "predictions" / "k.npy").write_bytes(b"\x00\x01\xff")
    (mirror / "x").write_bytes(b"")
    value = {"predictions": "predictions/k.npy", "checkpoint": None, "files": ["x"], "loss": 1}
    assert returned_files(value) == ["predictions/k.npy", "x"]
    bring_home(folder, take_files(mirror, value))
    assert (folder / "predictions" / "k.npy").read_bytes() == b"\x00\x01\xff"
    assert (folder / "x").read_bytes() == b""
    assert not (mirror / "predictions" / "k.npy").exists()
    assert (mirror / "config").exists()


def test_a_file_that_was_not_written_takes_no_other_along(folder):
    mirror = copy(folder, ())
    (mirror / "x").write_bytes(b"x")
    with pytest.raises(FileNotFoundError):
        take_files(mirror, {"files": ["x", "y"]})
    assert (mirror / "x").exists()


@pytest.mark.parametrize("value", [None, 3, [], {}, {"files": None}, {"checkpoint": None}])
def test_a_value_that_names_nothing(value):
    assert returned_files(value) == []


@pytest.mark.skipif(os.name == "nt", reason="needs flock")
def test_opening_a_mirror_sweeps_the_dead_ones_and_leaves_those_in_use(tmp_path):
    place = tmp_path / "tmp"
    used = open_mirror("used")
    dead = place / "moesaic-mirror-dead"
    dead.mkdir()
    (dead / ".alive").touch()
    (dead / "data").mkdir()
    (dead / "data" / "large").touch()
    unlocked = place / "moesaic-mirror-just-made"
    unlocked.mkdir()
    mine = open_mirror("m")
    assert {path.name for path in place.iterdir()} == {used.name, mine.name, unlocked.name}
    assert mine.stat().st_mode & 0o077 == 0, "other people's eyes are kept out"
    remove_mirror("used")
    assert not used.exists()
    assert open_mirror("used").exists()
    remove_mirror("used")
    remove_mirror("never made")
