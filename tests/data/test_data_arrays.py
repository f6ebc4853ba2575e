"""Files of arrays: what is accepted, and one clear line for everything that is not."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from moesaic.data import load_dataset
from moesaic.errors import InputError

rng = np.random.default_rng(0)
GREY = rng.integers(0, 256, (40, 9, 9), dtype=np.uint8)
COLOUR = rng.integers(0, 256, (40, 9, 9, 3), dtype=np.uint8)
VECTORS = rng.normal(size=(40, 5))
LABELS = np.arange(40) % 4


def save(folder: Path, **arrays: np.ndarray) -> str:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def refusal(spec: str, **options: int) -> str:
    """Return the one line with which a source is refused."""
    with pytest.raises(InputError) as caught:
        load_dataset(spec, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


def everything(dataset) -> torch.Tensor:
    return torch.cat([s.inputs for s in (dataset.train, dataset.validation, dataset.test)])


def as_set(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_npz_with_a_test_split(tmp_path):
    names = np.array(["a", "b", "c", "d"])
    path = save(
        tmp_path,
        train_images=COLOUR,
        train_labels=LABELS.astype(np.int16),
        classes=names,
        test_images=COLOUR[:12],
        test_labels=LABELS[:12],
    )
    dataset = load_dataset(path)
    assert dataset.name == "data"
    assert dataset.classes == ("a", "b", "c", "d")
    assert dataset.input_shape == (3, 9, 9)
    assert dataset.domain_names is None
    assert dataset.test.inputs.equal(torch.from_numpy(COLOUR[:12]).permute(0, 3, 1, 2))
    assert dataset.test.labels.tolist() == LABELS[:12].tolist()
    assert dataset.train.inputs.dtype == torch.uint8
    assert dataset.train.inputs.is_contiguous()
    assert (len(dataset.train), len(dataset.validation)) == (32, 8)


def test_labels_stay_with_their_images(tmp_path):
    images = np.zeros((40, 8, 8), dtype=np.uint8) + LABELS[:, None, None].astype(np.uint8) * 10
    dataset = load_dataset(save(tmp_path, X=images, y=LABELS))
    for split in (dataset.train, dataset.validation, dataset.test):
        assert (split.inputs[:, 0, 0, 0] // 10).tolist() == split.labels.tolist()


def test_vectors(tmp_path):
    dataset = load_dataset(save(tmp_path, X=VECTORS, y=LABELS))
    assert dataset.input_shape == (5,)
    assert not dataset.is_images
    assert dataset.train.inputs.dtype == torch.float32
    assert as_set(everything(dataset)) == as_set(torch.from_numpy(VECTORS.astype(np.float32)))


@pytest.mark.parametrize(
    "images",
    [GREY, GREY[:, None], GREY[..., None], GREY / 255, GREY.astype(np.float32), GREY.astype(int)],
    ids=["grey", "chw", "hwc", "unit floats", "floats", "ints"],
)
def test_images_in_any_layout_give_the_same_pixels(tmp_path, images):
    dataset = load_dataset(save(tmp_path, X=images, y=LABELS))
    assert dataset.input_shape == (1, 9, 9)
    assert as_set(everything(dataset)) == as_set(torch.from_numpy(GREY))


def test_float_range_is_judged_over_all_splits(tmp_path):
    dark = np.full((8, 9, 9), 0.5)
    path = save(
        tmp_path,
        train_images=GREY.astype(float),
        train_labels=LABELS,
        test_images=dark + 0.5,
        test_labels=LABELS[:8],
    )
    assert load_dataset(path).test.inputs.unique().tolist() == [1]


def test_transparency_is_dropped_and_said(tmp_path):
    four = np.concatenate([COLOUR, COLOUR[..., :1]], axis=3)
    dataset = load_dataset(save(tmp_path, X=four, y=LABELS))
    assert as_set(everything(dataset)) == as_set(torch.from_numpy(COLOUR).permute(0, 3, 1, 2))
    assert "transparency" in dataset.notes[0]


def test_labels_without_names_are_renumbered(tmp_path):
    values = np.array([7, 100000, -3, 9])
    dataset = load_dataset(save(tmp_path, X=VECTORS, y=values[LABELS].astype(float)[:, None]))
    assert dataset.classes == ("-3", "7", "9", "100000")
    assert set(dataset.train.labels.tolist()) == {0, 1, 2, 3}


def test_given_domains_are_kept(tmp_path):
    domains = np.where(LABELS < 2, 5, 8)
    dataset = load_dataset(save(tmp_path, X=VECTORS, y=LABELS, domains=domains))
    assert dataset.domain_names == ("5", "8")
    assert dataset.train.domains.equal((dataset.train.labels >= 2).long())


@pytest.mark.parametrize(
    "groups", [np.arange(40) // 2, np.array([f"p{i // 2}" for i in range(40)])]
)
def test_a_split_that_is_drawn_divides_no_group(tmp_path, groups):
    images = np.zeros((40, 8, 8), dtype=np.uint8) + (np.arange(40) // 2)[:, None, None].astype("u1")
    named = {"train_images": images, "train_labels": LABELS, "train_groups": groups}
    for arrays in ({"X": images, "y": LABELS, "groups": groups}, named):
        dataset = load_dataset(save(tmp_path, **arrays))
        assert dataset.notes == ("20 groups of samples, none divided by a split that was drawn",)
        parts = (dataset.train, dataset.validation, dataset.test)
        of = [set(part.inputs[:, 0, 0, 0].tolist()) for part in parts]
        assert sum(map(len, of)) == 20


def test_groups_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(InputError, match="give one each"):
        load_dataset(save(tmp_path, X=VECTORS, y=LABELS, groups=np.arange(39)))
    with pytest.raises(InputError, match="a number or a name of every"):
        load_dataset(save(tmp_path, X=VECTORS, y=LABELS, groups=np.arange(40) / 2))


def test_a_given_validation_split_is_kept_and_unknown_arrays_are_named(tmp_path):
    path = save(
        tmp_path,
        train_images=GREY,
        train_labels=LABELS,
        validation_images=GREY[:4],
        validation_labels=LABELS[:4],
        extra=LABELS,
    )
    dataset = load_dataset(path)
    assert dataset.validation.inputs[:, 0].equal(torch.from_numpy(GREY[:4]))
    assert dataset.notes == ("not used: extra",)


def test_folder_of_npy_equals_the_npz(tmp_path):
    folder = tmp_path / "arrays"
    folder.mkdir()
    for key, array in {"train_images": COLOUR, "train_labels": LABELS}.items():
        np.save(folder / f"{key}.npy", array)
    path = save(tmp_path, train_images=COLOUR, train_labels=LABELS)
    assert load_dataset(str(folder)).fingerprint() == load_dataset(path).fingerprint()


BAD = {
    "wrong keys": (
        {"images": GREY, "labels": LABELS},
        "holds images, labels: expected train_images",
    ),
    "no labels": ({"X": GREY}, "holds X: expected"),
    "test without labels": (
        {"train_images": GREY, "train_labels": LABELS, "test_images": GREY},
        "no 'test_labels'",
    ),
    "unequal": ({"X": GREY, "y": LABELS[:-1]}, "40 inputs and 39 labels"),
    "fraction labels": ({"X": GREY, "y": LABELS + 0.5}, "must be whole numbers"),
    "text labels": ({"X": GREY, "y": LABELS.astype(str)}, "must be whole numbers"),
    "nan labels": ({"X": GREY, "y": np.full(40, np.nan)}, "must be whole numbers"),
    "one-hot labels": ({"X": GREY, "y": np.eye(4)[LABELS]}, "expected a class number a sample"),
    "labels out of range": (
        {"X": GREY, "y": LABELS, "classes": np.array(["a", "b", "c"])},
        "0 .. 3, out of range: with 3 class names",
    ),
    "negative labels": (
        {"X": GREY, "y": LABELS - 1, "classes": np.array(list("abcd"))},
        "-1 .. 2, out of range",
    ),
    "one class": ({"X": GREY, "y": np.zeros(40, int)}, "one class only"),
    "a name twice": (
        {"X": GREY, "y": LABELS, "classes": np.array(list("abca"))},
        "two classes 'a'",
    ),
    "names in a table": ({"X": GREY, "y": LABELS, "classes": np.ones((2, 2))}, "a list of names"),
    "nan": (
        {"X": np.where(VECTORS > 2, np.nan, VECTORS), "y": LABELS},
        "NaN, infinite or too large values",
    ),
    "too large for float32": ({"X": VECTORS * 1e300, "y": LABELS}, "float32 ends at"),
    "nan images": ({"X": np.full((40, 8, 8), np.nan), "y": LABELS}, "NaN or infinite"),
    "normalised images": ({"X": GREY / 128 - 1, "y": LABELS}, "undo the normalisation"),
    "two scales": (
        {
            "train_images": GREY,
            "train_labels": LABELS,
            "test_images": (GREY / 255).astype(np.float32),
            "test_labels": LABELS,
        },
        "one scale",
    ),
    "16-bit images": ({"X": GREY.astype(np.uint16) * 257, "y": LABELS}, "divide 16-bit"),
    "strange channels": (
        {"X": np.zeros((40, 8, 8, 5), np.uint8), "y": LABELS},
        "1, 3 or 4 channels",
    ),
    "five axes": (
        {"X": np.zeros((40, 2, 8, 8, 3), np.uint8), "y": LABELS},
        "expected vectors (N, D)",
    ),
    "text inputs": ({"X": LABELS.astype(str), "y": LABELS}, "numbers are expected"),
    "complex inputs": ({"X": VECTORS * 1j, "y": LABELS}, "numbers are expected"),
    "no samples": ({"X": GREY[:0], "y": LABELS[:0]}, "no samples"),
    "empty test": (
        {
            "train_images": GREY,
            "train_labels": LABELS,
            "test_images": GREY[:0],
            "test_labels": LABELS[:0],
        },
        "the test split of",
    ),
    "a handful": ({"X": GREY[:6], "y": LABELS[:6]}, "holds 6 samples"),
    "no pixels": ({"X": np.zeros((40, 0, 9), np.uint8), "y": LABELS}, "nothing to see"),
    "unlike shapes": (
        {
            "train_images": GREY,
            "train_labels": LABELS,
            "test_images": COLOUR,
            "test_labels": LABELS,
        },
        "differ in shape",
    ),
    "domains for one split": (
        {
            "train_images": GREY,
            "train_labels": LABELS,
            "train_domains": LABELS,
            "test_images": GREY,
            "test_labels": LABELS,
        },
        "domain labels",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arrays_are_refused_in_one_line(tmp_path, name):
    arrays, expected = BAD[name]
    assert expected in refusal(save(tmp_path, **arrays))


def test_pickles_are_never_loaded(tmp_path):
    touched = tmp_path / "touched"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(touched),)

    trap = np.empty(40, dtype=object)
    trap[:] = [Trap()] * 40
    for arrays in (
        {"X": trap, "y": LABELS},
        {"X": GREY, "y": trap},
        {"X": GREY, "y": LABELS, "classes": trap},
    ):
        assert "pickles are never loaded" in refusal(save(tmp_path, **arrays))
    folder = tmp_path / "arrays"
    folder.mkdir()
    np.save(folder / "X.npy", trap)
    np.save(folder / "y.npy", LABELS)
    assert "pickles are never loaded" in refusal(str(folder))
    assert not touched.exists()


def test_files_that_are_no_npz(tmp_path):
    good = Path(save(tmp_path, X=GREY, y=LABELS)).read_bytes()
    path = tmp_path / "bad.npz"
    path.write_text("hello")
    assert "not an .npz (zip) file" in refusal(str(path))
    path.write_bytes(good[: len(good) // 2])
    assert "cut short" in refusal(str(path))
    path.write_bytes(b"")
    assert "is empty" in refusal(str(path))
    place = good.index(GREY.tobytes()[:64])
    path.write_bytes(good[:place] + bytes(64) + good[place + 64 :])
    assert "damaged" in refusal(str(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X", b"no array")
        archive.writestr("y", b"no array")
    assert "no array" in refusal(str(path))


def test_damaged_npy_in_a_folder(tmp_path):
    np.save(tmp_path / "y.npy", LABELS)
    np.save(tmp_path / "X.npy", GREY)
    whole = (tmp_path / "X.npy").read_bytes()
    for content in (b"", whole[:40], whole[:200], b"hello" * 50):
        (tmp_path / "X.npy").write_bytes(content)
        message = refusal(str(tmp_path))
        assert re.search("damaged|no plain array", message), message


def test_image_size_bounds(tmp_path):
    path = save(tmp_path, X=GREY, y=LABELS)
    for size in (3, 0, -1, 513):
        assert "--image-size between 4 and 512" in refusal(path, image_size=size)
    tiny = save(tmp_path, X=GREY[:, :3, :3], y=LABELS)
    assert "3 x 3 pixels are out of range" in refusal(tiny)
    assert load_dataset(tiny, image_size=4).input_shape == (1, 4, 4)
    assert "leave --image-size out" in refusal(save(tmp_path, X=VECTORS, y=LABELS), image_size=8)


def test_labels_beyond_what_can_be_counted_are_refused(tmp_path):
    labels = np.arange(20, dtype=np.uint64) % 2 + 2**63
    told = refusal(save(tmp_path, X=np.random.default_rng(0).normal(size=(20, 3)), y=labels))
    assert f"goes up to {2**63 + 1}" in told


def test_groups_may_be_called_as_in_the_other_layout(tmp_path):
    groups = np.repeat(np.arange(8), 5)
    arrays = {"train_images": GREY, "train_labels": LABELS, "groups": groups}
    dataset = load_dataset(save(tmp_path, **arrays))
    sides = [
        {
            int(groups[(image.numpy() == GREY).all(axis=(1, 2)).argmax()])
            for image in part.inputs[:, 0]
        }
        for part in (dataset.train, dataset.validation, dataset.test)
    ]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]


def test_two_layouts_in_one_file_are_refused_and_what_is_not_used_is_told(tmp_path):
    both = {"X": VECTORS, "y": LABELS, "test_images": VECTORS, "test_labels": LABELS}
    assert "name X and y train_images and train_labels" in refusal(save(tmp_path, **both))
    stray = {"train_images": GREY, "train_labels": LABELS, "domains": LABELS}
    assert "not used: domains" in load_dataset(save(tmp_path, **stray)).notes


def test_binary_images_of_two_types_are_stretched_alike(tmp_path):
    binary = (GREY > 127).astype(np.uint8)
    path = save(
        tmp_path,
        train_images=binary.astype(np.float32),
        train_labels=LABELS,
        test_images=binary,
        test_labels=LABELS,
    )
    dataset = load_dataset(path)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert set(split.inputs.unique().tolist()) == {0, 255}


def test_files_that_only_look_like_archives_are_refused(tmp_path):
    path = save(tmp_path, X=VECTORS, y=LABELS)
    content = Path(path).read_bytes()
    Path(path).write_bytes(b"something before it" + content)
    assert "data.npz" in refusal(path)
    header = content.index(b"{'descr'")
    Path(path).write_bytes(content[:header] + b"((((" + content[header + 4 :])
    assert "damaged" in refusal(path)


def test_a_user_that_nobody_knows_is_no_path(tmp_path):
    assert "~nosuchuser" in refusal("~nosuchuser/a.npz")


def test_two_domains_of_one_name_are_refused(tmp_path):
    names = np.array(["a", "a"])
    path = save(tmp_path, X=VECTORS, y=LABELS, domains=LABELS % 2, domain_names=names)
    assert "two domains 'a'" in refusal(path)
