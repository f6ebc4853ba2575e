"""Folders of images: layouts, modes, sizes, unreadable files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from moesaic.data import load_dataset
from moesaic.errors import InputError

rng = np.random.default_rng(1)


def write(path: Path, array: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def fill(root: Path, counts: dict[str, int], shape: tuple[int, ...] = (10, 10, 3)) -> Path:
    """Write `counts` images a class folder, of one colour each: the class's number times 20."""
    for label, (name, count) in enumerate(sorted(counts.items())):
        for i in range(count):
            write(root / name / f"{i:03}.png", np.full(shape, 20 * label + 5, np.uint8))
    return root


def refusal(spec: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(str(spec))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_classes_are_the_subfolders(tmp_path):
    dataset = load_dataset(str(fill(tmp_path / "pets", {"cat": 12, "dog": 12, "eel": 6})))
    assert dataset.name == "pets"
    assert dataset.classes == ("cat", "dog", "eel")
    assert dataset.input_shape == (3, 10, 10)
    assert dataset.skipped == 0
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.inputs[:, 0, 0, 0].tolist() == (20 * split.labels + 5).tolist()


def test_train_and_test_folders_are_splits(tmp_path):
    fill(tmp_path / "train", {"cat": 10, "dog": 10})
    fill(tmp_path / "test", {"cat": 3, "dog": 4})
    fill(tmp_path / "val", {"cat": 2, "dog": 2})
    dataset = load_dataset(str(tmp_path))
    assert dataset.classes == ("cat", "dog")
    assert [len(s) for s in (dataset.train, dataset.validation, dataset.test)] == [20, 4, 7]


def test_classes_that_happen_to_be_called_train_and_test(tmp_path):
    assert load_dataset(str(fill(tmp_path, {"test": 9, "train": 9}))).classes == ("test", "train")


def test_all_grey_gives_one_channel_and_one_colour_image_gives_three(tmp_path):
    root = fill(tmp_path, {"a": 10, "b": 10}, (10, 10))
    assert load_dataset(str(root)).input_shape == (1, 10, 10)
    write(root / "a" / "x.png", np.zeros((10, 10, 3), np.uint8))
    assert load_dataset(str(root)).input_shape == (3, 10, 10)


def test_mixed_sizes_become_squares_of_the_median_short_side(tmp_path):
    root = fill(tmp_path, {"a": 10}, (12, 30))
    fill(tmp_path, {"a": 0, "b": 12}, (20, 40))
    dataset = load_dataset(str(root))
    assert dataset.input_shape == (1, 20, 20)
    assert "brought to 20 x 20" in dataset.notes[0]
    assert load_dataset(str(root), image_size=8).input_shape == (1, 8, 8)


def test_photographs_are_reduced_to_64(tmp_path):
    assert load_dataset(str(fill(tmp_path, {"a": 6, "b": 6}, (100, 90)))).input_shape == (1, 64, 64)


def test_deep_transparent_and_turned_images(tmp_path):
    fill(tmp_path, {"a": 10, "b": 10}, (8, 8))
    deep = np.full((8, 8), 100 * 257, np.uint16)
    write(tmp_path / "c" / "deep.png", deep)
    clear = np.zeros((8, 8, 4), np.uint8)
    write(tmp_path / "d" / "clear.png", clear)
    half = np.zeros((8, 8), np.uint8)
    half[:4] = 200
    exif = Image.Exif()
    exif[0x0112] = 3
    write(tmp_path / "e" / "turned.png", half, exif=exif)
    dataset = load_dataset(str(tmp_path))
    image = {
        name: dataset.train.inputs[dataset.train.labels == i][0]
        for i, name in enumerate(dataset.classes)
    }
    assert image["c"].unique().tolist() == [100]
    assert image["d"].unique().tolist() == [255]
    assert image["e"][0].equal(torch.from_numpy(half[::-1].copy()))


def test_deep_images_keep_their_order(tmp_path):
    levels = {"a": 200, "b": 300, "c": 60000}
    for name, level in levels.items():
        for i in range(10):
            write(tmp_path / name / f"{i}.png", np.full((8, 8), level, np.uint16))
    train = load_dataset(str(tmp_path)).train
    shades = [train.inputs[train.labels == i].unique().tolist() for i in range(3)]
    assert shades == [[1], [1], [233]]  # of 257 levels each


def test_pixels_of_32_bits_are_a_fault(tmp_path):
    fill(tmp_path, {"a": 6, "b": 6})
    write(tmp_path / "a" / "wide.tiff", np.full((10, 10), 70000, np.int32))
    assert "wide.tiff: 32-bit pixels" in refusal(tmp_path)


def test_a_train_folder_without_images_is_named(tmp_path):
    fill(tmp_path / "test", {"a": 6, "b": 6})
    for name in "ab":
        (tmp_path / "train" / name).mkdir(parents=True)
    assert "no training images" in refusal(tmp_path)


def test_a_class_that_is_only_tested_is_noted(tmp_path):
    fill(tmp_path / "train", {"a": 9, "b": 9})
    fill(tmp_path / "test", {"a": 3, "b": 3, "c": 2})
    dataset = load_dataset(str(tmp_path))
    assert "no training sample of c: no model can get them right" in dataset.notes


def test_unreadable_images_are_counted_and_left_out(tmp_path):
    root = fill(tmp_path, {"a": 30, "b": 30}, (40, 40, 3))
    whole = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    write(root / "a" / "cut.png", whole)
    data = (root / "a" / "cut.png").read_bytes()
    (root / "a" / "cut.png").write_bytes(data[: len(data) // 2])
    (root / "b" / "zzz.jpg").write_text("not an image")
    (root / "b" / "readme.txt").write_text("passed over")
    dataset = load_dataset(str(root))
    assert dataset.skipped == 2
    assert any("2 unreadable images" in note and "cut.png" in note for note in dataset.notes)
    assert sum(len(s) for s in (dataset.train, dataset.validation, dataset.test)) == 60
    assert (torch.cat([dataset.train.inputs, dataset.test.inputs])[:, 0, 0, 0] % 20 == 5).all()


def test_more_than_one_in_twenty_unreadable_is_refused(tmp_path):
    root = fill(tmp_path, {"a": 9, "b": 9})
    (root / "a" / "bad.png").write_bytes(b"")
    message = refusal(root)
    assert "1 of 19 images" in message
    assert "bad.png" in message


def test_useless_folders(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no images" in refusal(empty)
    (empty / "class").mkdir()
    assert "no images" in refusal(empty)
    write(tmp_path / "loose" / "x.png", np.zeros((8, 8), np.uint8))
    assert "1 images but no class subfolders" in refusal(tmp_path / "loose")
    assert "one class only ('a')" in refusal(fill(tmp_path / "one", {"a": 12}))
    assert "holds 6 samples" in refusal(fill(tmp_path / "few", {"a": 3, "b": 3}))
    dataset = load_dataset(str(fill(tmp_path / "gap", {"a": 12, "b": 12, "c": 0}) / ""))
    assert dataset.classes == ("a", "b")
    (tmp_path / "gap" / "c").mkdir()
    assert any("without an image: c" in n for n in load_dataset(str(tmp_path / "gap")).notes)


def test_what_archives_and_editors_leave_behind_is_no_class_and_no_image(tmp_path):
    """Copies of images would be on both sides of a split."""
    fill(tmp_path / "train", {"cat": 10, "dog": 10})
    fill(tmp_path / "test", {"cat": 3, "dog": 4})
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "docs").mkdir()
    fill(tmp_path / "train" / "cat", {".ipynb_checkpoints": 5, "__MACOSX": 2})
    dataset = load_dataset(str(tmp_path))
    assert dataset.classes == ("cat", "dog")
    assert [len(s) for s in (dataset.train, dataset.validation, dataset.test)] == [16, 4, 7]


def test_splits_beside_other_folders_with_images_are_refused(tmp_path):
    fill(tmp_path / "train", {"cat": 10, "dog": 10})
    fill(tmp_path / "test", {"cat": 3, "dog": 4})
    fill(tmp_path, {"more": 3})
    message = refusal(tmp_path)
    assert "test, train with class subfolders" in message
    assert "more beside them" in message


def test_trains_may_be_a_class_in_folders_of_their_own(tmp_path):
    fill(tmp_path / "train", {"steam": 6, "electric": 6})
    fill(tmp_path, {"bus": 12})
    assert load_dataset(str(tmp_path)).classes == ("bus", "train")
