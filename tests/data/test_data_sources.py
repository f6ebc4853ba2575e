"""Built-in sources, joins, specs, the registry: what `--data` means."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from moesaic.data import (
    Dataset,
    DataSource,
    RawData,
    Split,
    describe_dataset,
    load_dataset,
    register_source,
    source_names,
)
from moesaic.data import _registry as registry
from moesaic.data._join import join_datasets
from moesaic.data._load import split_spec
from moesaic.data._resize import match_channels, resize
from moesaic.data._textures import (
    COUNTS,
    PHOTOGRAPHS,
    SIDE,
    patch_corners,
    photograph_folder,
    read_photograph,
)
from moesaic.data._toy import toy_points
from moesaic.errors import InputError


def splits(dataset: Dataset) -> list[Split]:
    return [dataset.train, dataset.validation, dataset.test]


def test_digits_are_scikit_learns():
    dataset = load_dataset("digits")
    assert dataset.input_shape == (1, 8, 8)
    assert [len(s) for s in splits(dataset)] == [1150, 288, 359]
    pixels = torch.cat([s.inputs for s in splits(dataset)]).float().sum()
    assert pixels == np.rint(load_digits().images * 255 / 16).sum()
    assert dataset.domain_names is None


def test_mosaic_has_two_domains_and_twenty_classes():
    dataset = load_dataset("mosaic")
    assert dataset.input_shape == (3, 16, 16)
    assert len(dataset.classes) == 20
    assert dataset.domain_names == ("digits", "textures")
    for split in splits(dataset):
        assert split.domains.equal((split.labels >= 10).long())
        assert len(split.labels.unique()) == 20
    assert 1800 <= sum(int(s.domains.sum()) for s in splits(dataset)) <= 2000
    assert load_dataset("mosaic", image_size=8).input_shape == (3, 8, 8)


@pytest.mark.parametrize("seed", [0, 7])
def test_texture_splits_share_no_pixel(seed):
    folder = photograph_folder()
    dataset = load_dataset("textures", seed=seed)
    for label, file in enumerate(PHOTOGRAPHS):
        photograph = read_photograph(folder / file)
        used = np.zeros(photograph.shape[:2], dtype=int)
        corners = patch_corners(photograph, seed, label)
        for row, column in (corner for part in corners.values() for corner in part):
            used[row : row + SIDE, column : column + SIDE] += 1
        assert used.max() == 1
        columns = {part: {column for _, column in places} for part, places in corners.items()}
        assert not columns["test"] & (columns["train"] | columns["validation"])
        assert not columns["train"] & columns["validation"]
        for part, split in zip(COUNTS, splits(dataset), strict=True):
            patches = split.inputs[split.labels == label].permute(0, 2, 3, 1).numpy()
            assert 0.9 * COUNTS[part] <= len(patches) <= COUNTS[part]
            for (row, column), patch in zip(corners[part], patches, strict=True):
                assert (photograph[row : row + SIDE, column : column + SIDE] == patch).all()


def test_texture_test_patches_do_not_depend_on_the_seed():
    first, second = load_dataset("textures", seed=0), load_dataset("textures", seed=1)
    assert first.test.inputs.equal(second.test.inputs)
    assert not first.train.inputs.equal(second.train.inputs)


def test_photographs_come_from_the_installed_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="scikit-image lacks astronaut"):
        load_dataset("mosaic")


def test_toy_is_the_published_generator():
    # 13 of 20 centroids in the linear region at seed 322: published with the generator.
    points, labels = toy_points(322)
    assert np.bincount(labels).sum() == 2000
    assert np.bincount(labels)[2:].tolist() == [500, 500]
    train, _ = train_test_split(points, test_size=0.2, random_state=322)
    centroids = KMeans(20, n_init=10, random_state=322).fit(train).cluster_centers_
    assert (centroids[:, 0] < -2).sum() == 13


def test_toy_follows_its_definition():
    points, labels = toy_points(1)
    cloud = points[labels < 2] + [6, 0]
    assert ((cloud[:, 0] <= cloud[:, 1]) == (labels[labels < 2] == 1)).all()
    assert abs(cloud.std() - 2) < 0.1
    for label, radius in ((2, 1.0), (3, 2.0)):
        distance = np.linalg.norm(points[labels == label] - [2, 0], axis=1)
        assert abs(np.sqrt((distance**2).mean() - 2 * 0.09) - radius) < 0.05
    dataset = load_dataset("toy", seed=1)
    assert dataset.domain_names == ("linear", "rings")
    for split in splits(dataset):
        assert split.domains.equal((split.labels >= 2).long())
    assert torch.cat([s.inputs for s in splits(dataset)]).sum() == pytest.approx(points.sum(), 1e-4)


def images(name: str, side: int, channels: int, classes: tuple[str, ...], count: int) -> Dataset:
    gen = torch.Generator().manual_seed(side)

    def split() -> Split:
        inputs = torch.randint(0, 256, (count, channels, side, side), generator=gen)
        labels = torch.randint(0, len(classes), (count,), generator=gen)
        return Split(inputs.to(torch.uint8), labels)

    return Dataset(name, split(), split(), split(), classes)


@given(
    st.lists(
        st.tuples(
            st.integers(4, 12), st.sampled_from([1, 3]), st.integers(1, 4), st.integers(1, 6)
        ),
        min_size=2,
        max_size=4,
    )
)
@settings(max_examples=30, deadline=None)
def test_joins_offset_labels_and_remember_domains(shapes):
    parts = [
        images(f"s{i}", side, channels, tuple(f"{i}-{c}" for c in range(classes)), count)
        for i, (side, channels, classes, count) in enumerate(shapes)
    ]
    joined = join_datasets(parts)
    side, channels = max(s[0] for s in shapes), max(s[1] for s in shapes)
    assert joined.input_shape == (channels, side, side)
    assert joined.classes == tuple(name for part in parts for name in part.classes)
    assert joined.domain_names == tuple(part.name for part in parts)
    for whole, own in zip(splits(joined), zip(*map(splits, parts), strict=True), strict=True):
        offset = start = 0
        for domain, (part, split) in enumerate(zip(parts, own, strict=True)):
            rows = slice(start, start + len(split))
            assert (whole.labels[rows] - offset).equal(split.labels)
            assert (whole.domains[rows] == domain).all()
            expected = match_channels(resize(split.inputs, side, side), channels)
            assert whole.inputs[rows].equal(expected)
            offset += len(part.classes)
            start += len(split)
        assert start == len(whole)


def test_joins_prefix_names_only_where_they_collide():
    a, b, c = (
        images(n, 8, 1, cs, 4) for n, cs in (("a", ("0", "1")), ("b", ("1", "2")), ("c", ("x",)))
    )
    assert join_datasets([a, b, c]).classes == ("a/0", "a/1", "b/1", "b/2", "x")
    assert join_datasets([a, c]).classes == ("0", "1", "x")
    twice = join_datasets([a, a])
    assert twice.classes == ("a/0", "a/1", "a-2/0", "a-2/1")
    assert twice.domain_names == ("a", "a-2")


def test_a_source_is_divided_alike_alone_and_joined(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (50, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", X=x, y=np.arange(50) % 5)
    alone = load_dataset("digits", seed=4)
    joined = load_dataset(f"{tmp_path}/own.npz+digits", seed=4)
    assert joined.test.inputs[joined.test.domains == 1].equal(alone.test.inputs)


def test_a_source_with_domains_keeps_them_in_a_join():
    dataset = load_dataset("mosaic+digits")
    assert dataset.domain_names == ("mosaic/digits", "mosaic/textures", "digits")
    assert dataset.classes[0] == "mosaic/0"
    assert dataset.classes[20] == "digits/0"


def test_images_and_vectors_cannot_be_joined(tmp_path):
    with pytest.raises(InputError, match="digits: images, toy: vectors"):
        load_dataset("digits+toy")
    np.savez(tmp_path / "v.npz", X=np.eye(20), y=np.arange(20) % 2)
    with pytest.raises(InputError, match="toy: 2, v: 20"):
        load_dataset(f"toy+{tmp_path}/v.npz")


def test_resize_averages_whole_pixels_and_keeps_constants():
    values = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4)
    assert resize(values, 2, 2).flatten().tolist() == [2, 4, 10, 12]
    assert resize(values, 4, 4) is values
    flat = torch.full((3, 3, 28, 28), 77, dtype=torch.uint8)
    for side in (5, 14, 16, 32):
        assert resize(flat, side, side).unique().tolist() == [77]


def test_spec_takes_existing_paths_with_a_plus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "a+b", "c++"):
        Path(name).mkdir()
    assert split_spec("a+b") == ["a+b"]
    assert split_spec("a+x") == ["a", "x"]
    assert split_spec("digits+a+b+c+++toy") == ["digits", "a+b", "c++", "toy"]
    for bad in ("", "+", "digits+", "digits++toy", " + "):
        with pytest.raises(InputError, match="empty source"):
            split_spec(bad)


def test_names_that_do_not_exist_are_answered_with_near_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.npz").write_bytes(b"")
    for spec, near in (
        ("mosiac", "'mosaic'"),
        ("flower.npz", "'flowers.npz'"),
        (f"{tmp_path}/flwers.npz", "flowers.npz'"),
        ("zzzzz", "toy"),
        ("no/such/place", "give a path"),
        ("digits+todigit", "digit"),
    ):
        with pytest.raises(InputError, match=near) as caught:
            load_dataset(spec)
        assert "\n" not in str(caught.value)
    (tmp_path / "table.csv").write_text("")
    with pytest.raises(InputError, match="not a kind of file"):
        load_dataset("table.csv")
    np.save(tmp_path / "x.npy", np.eye(3))
    with pytest.raises(InputError, match=r"X\.npy beside y\.npy"):
        load_dataset("x.npy")
    with pytest.raises(InputError, match="'toy' takes no argument"):
        load_dataset("toy:3")


def test_a_folder_that_may_not_be_read_is_said_to_be_that(monkeypatch):
    def refuse(_path):
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="'closed' may not be read") as raised:
        load_dataset("closed/images")
    assert "\n" not in str(raised.value)


def test_a_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy").mkdir()
    assert load_dataset("toy").input_shape == (2,)
    with pytest.raises(InputError, match="no images"):
        load_dataset("./toy")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path):
    for path in (tmp_path / "x.npz", tmp_path / "folder"):
        path.mkdir() if path.suffix == "" else path.write_bytes(b"x")
        path.chmod(0)
        with pytest.raises(InputError, match="Permission denied; check path and permissions"):
            load_dataset(str(path))
        path.chmod(0o700)


class Blobs(DataSource):
    """Two blobs; the argument is how many samples."""

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        count = int(argument or 20)
        if count == 13:
            raise PermissionError(13, "Permission denied", "/secret")
        labels = torch.arange(count) % 2
        return RawData(Split(labels[:, None].float(), labels), ("a", "b"))


@pytest.fixture
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_SOURCES", dict(registry._SOURCES))


@pytest.mark.usefixtures("_own_registry")
def test_registered_sources_work_by_name_and_with_an_argument():
    register_source("blobs", Blobs)
    assert "blobs" in source_names()
    assert len(load_dataset("blobs").train) == 13
    dataset = load_dataset("blobs:50+blobs")
    assert dataset.name == "blobs:50+blobs"
    assert sum(len(s) for s in splits(dataset)) == 70
    with pytest.raises(InputError, match="registered already"):
        register_source("blobs", Blobs)
    for bad in ("", "a+b", "a:b", "a/b"):
        with pytest.raises(InputError, match="cannot be the name"):
            register_source(bad, Blobs)
    with pytest.raises(InputError, match=r"cannot read 'blobs:13' \(/secret\): Permission denied"):
        load_dataset("blobs:13")


def test_entry_points_are_loaded_only_when_named(monkeypatch):
    def points(group: str, name: str | None = None) -> list[EntryPoint]:
        found = [
            EntryPoint("blobs", f"{__name__}:Blobs", group),
            EntryPoint("broken", "no_such_module:Thing", group),
            EntryPoint("odd", "builtins:dict", group),
        ]
        return [point for point in found if name is None or point.name == name]

    monkeypatch.setattr(registry, "entry_points", points)
    assert {"blobs", "broken", "odd", "mosaic"} <= set(source_names())
    assert load_dataset("toy").name == "toy"
    with pytest.raises(InputError, match=r"'broken'.*cannot be loaded"):
        load_dataset("broken")
    with pytest.raises(InputError, match=r"no moesaic\.data\.DataSource"):
        load_dataset("odd")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Blobs)
    assert load_dataset("blobs").classes == ("a", "b")


def test_describe_counts_everything():
    dataset = load_dataset("mosaic")
    summary = describe_dataset(dataset)
    assert summary["input_shape"] == [3, 16, 16]
    assert summary["samples"]["test"] == len(dataset.test)
    for kind in ("classes", "domains"):
        for part in ("train", "validation", "test"):
            total = sum(count[part] for count in summary[kind].values())
            assert total == summary["samples"][part]
    assert summary["classes"]["3"]["train"] == int((dataset.train.labels == 3).sum())


FOLDER = os.environ.get("MOESAIC_DATA")


@pytest.mark.skipif(FOLDER is None, reason="MOESAIC_DATA is not set")
def test_real_images_join():
    dataset = load_dataset(
        f"{FOLDER}/images/cifar10_10k.npz+{FOLDER}/images/gtsrb_10k.npz", image_size=16
    )
    assert dataset.input_shape == (3, 16, 16)
    assert len(dataset.classes) == 53
    assert [len(s) for s in splits(dataset)] == [15661, 3915, 3930]
