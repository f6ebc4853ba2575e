"""What happens to batches: augmentation, batch order, normalisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.data import Normaliser, Split, augment, batches
from moesaic.errors import InputError

sides = st.integers(4, 12)


def make(count: int, channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    gen = torch.Generator().manual_seed(seed)
    shape = (count, channels, height, width)
    return torch.randint(0, 256, shape, generator=gen).to(torch.uint8)


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def candidates(image: torch.Tensor, shift: int, flip: bool) -> set[bytes]:
    """Return all images that augmentation may make of one, by NumPy's own reflection."""
    padded = np.pad(image.numpy(), ((0, 0), (shift, shift), (shift, shift)), mode="reflect")
    _, height, width = image.shape
    found = set()
    for row in range(2 * shift + 1):
        for column in range(2 * shift + 1):
            crop = padded[:, row : row + height, column : column + width]
            found.add(crop.tobytes())
            if flip:
                found.add(crop[:, :, ::-1].tobytes())
    return found


@given(sides, sides, st.sampled_from([1, 3]), st.integers(0, 3), st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_augmented_images_are_reflected_shifts_of_the_image(
    height, width, channels, shift, flip, s
):
    images = make(5, channels, height, width, s)
    before = images.clone()
    result = augment(images, shift=shift, flip=flip, cutout=0, generator=gen(s))
    assert result.dtype == torch.uint8
    assert result.shape == images.shape
    assert images.equal(before)
    for image, changed in zip(images, result, strict=True):
        assert changed.numpy().tobytes() in candidates(image, shift, flip)


def test_nothing_to_do_is_the_identity():
    images = make(4, 3, 8, 8)
    assert augment(images, shift=0, flip=False, cutout=0, generator=gen()) is images


def test_every_shift_and_both_sides_occur():
    images = make(1, 1, 6, 6).expand(600, -1, -1, -1)
    result = augment(images, shift=1, flip=True, cutout=0, generator=gen())
    seen = {image.numpy().tobytes() for image in result}
    assert seen == candidates(images[0], 1, True)


def test_augmentation_follows_the_generator():
    images = make(16, 3, 8, 8)
    options = {"shift": 2, "flip": True, "cutout": 3}
    first, again, other = (augment(images, **options, generator=gen(s)) for s in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)


@given(sides, sides, st.integers(1, 14), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_cutout_fills_one_square_with_the_mean(height, width, cutout, seed):
    images = make(6, 3, height, width, seed)
    result = augment(images, shift=0, flip=False, cutout=cutout, generator=gen(seed))
    mean = images.float().mean(dim=(2, 3)).round().to(torch.uint8)
    for image, changed, colour in zip(images, result, mean, strict=True):
        touched = (changed != image).any(dim=0)
        rows, columns = (touched.any(dim=d).nonzero() for d in (1, 0))
        if len(rows) == 0:
            continue
        box = changed[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert max(box.shape[1:]) <= cutout
        assert (box == colour[:, None, None]).all()


def test_impossible_augmentation_is_refused():
    images = make(2, 1, 8, 6)
    for shift, cutout in ((6, 0), (-1, 0), (0, -1)):
        with pytest.raises(InputError, match="8 x 6"):
            augment(images, shift=shift, flip=False, cutout=cutout, generator=gen())
    augment(images, shift=5, flip=False, cutout=99, generator=gen())


@given(st.integers(0, 60), st.integers(1, 20), st.booleans(), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_batches_hold_every_sample_once(count, size, shuffle, seed):
    split = Split(torch.zeros(count, 1), torch.zeros(count, dtype=torch.int64))
    found = list(batches(split, size, gen(seed), shuffle=shuffle))
    flat = torch.cat(found).tolist() if found else []
    assert sorted(flat) == list(range(count))
    if not shuffle:
        assert flat == sorted(flat)
    lengths = [len(batch) for batch in found]
    assert all(length == size for length in lengths[:-1])
    if size > 1 and count > 1:
        assert min(lengths) > 1
        assert max(lengths) <= size + 1


def test_batch_order_follows_the_generator():
    split = Split(torch.zeros(50, 1), torch.zeros(50, dtype=torch.int64))
    one, two, other = (torch.cat(list(batches(split, 8, gen(s)))) for s in (1, 1, 2))
    assert one.equal(two)
    assert not one.equal(other)
    with pytest.raises(InputError, match="at least 1"):
        batches(split, 0, gen())


def split_of(inputs: torch.Tensor) -> Split:
    return Split(inputs, torch.zeros(len(inputs), dtype=torch.int64))


def test_normaliser_matches_numpy_on_images():
    images = make(5000, 3, 4, 4)
    normaliser = Normaliser.fit(split_of(images))
    values = images.numpy().astype(np.float64)
    assert normaliser.mean.flatten().numpy() == pytest.approx(values.mean((0, 2, 3)), rel=1e-6)
    assert normaliser.std.flatten().numpy() == pytest.approx(values.std((0, 2, 3)), rel=1e-6)
    result = normaliser(images)
    assert result.dtype == torch.float32
    assert result.equal(normaliser(images.float()))
    assert result.mean((0, 2, 3)).abs().max() < 1e-4
    assert (result.std((0, 2, 3)) - 1).abs().max() < 1e-3


def test_normaliser_on_vectors_with_an_offset_and_a_constant():
    vectors = torch.randn(300, 3, generator=gen()) * torch.tensor([1e-3, 1.0, 0.0]) + 100
    normaliser = Normaliser.fit(split_of(vectors))
    result = normaliser(vectors.double())
    assert result.dtype == torch.float32
    assert result[:, 2].abs().max() < 1e-3
    assert result[:, :2].std(0).numpy() == pytest.approx([1, 1], rel=1e-2)


@pytest.mark.parametrize("unit", [1e-9, 1e-30, 1e9])
def test_normaliser_does_not_mind_the_unit(unit):
    vectors = torch.randn(300, 2, generator=gen()).double() * torch.tensor([unit, 0.0]) + unit
    result = Normaliser.fit(split_of(vectors.float()))(vectors.float())
    assert result[:, 0].std() == pytest.approx(1, rel=1e-2)
    assert result[:, 1].abs().max() < 1e-3


def test_normaliser_survives_its_state_dict():
    images = make(20, 3, 5, 5)
    fitted = Normaliser.fit(split_of(images))
    fresh = Normaliser(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    fresh.load_state_dict(fitted.state_dict())
    assert fresh(images).equal(fitted(images))
    assert not list(fitted.parameters())


def test_normaliser_needs_samples():
    with pytest.raises(InputError, match="empty split"):
        Normaliser.fit(split_of(torch.zeros(0, 2)))
