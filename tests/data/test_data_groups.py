"""Near-duplicates: alike images of a class are one group, whatever their light."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from moesaic.data import near_duplicates
from moesaic.errors import InputError


def frames(tracks: int, each: int, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Return images (N, 3, 16, 16) and the track of each: one scene, in other light and noise."""
    rng = np.random.default_rng(seed)
    scenes = rng.uniform(80, 160, (tracks, 1, 3, 16, 16))
    contrast = rng.uniform(0.5, 0.9, (tracks, each, 1, 1, 1))
    light = rng.uniform(0, 60, (tracks, each, 1, 1, 1))
    images = contrast * scenes + light + rng.normal(0, 3, (tracks, each, 3, 16, 16))
    track = np.repeat(np.arange(tracks), each)
    order = rng.permutation(len(track))
    flat = images.clip(0, 255).astype(np.uint8).reshape(-1, 3, 16, 16)
    return torch.from_numpy(flat[order]), track[order]


def test_frames_of_one_scene_are_one_group():
    images, track = frames(12, 5)
    found = near_duplicates(images, torch.zeros(60, dtype=torch.int64), 0.8)
    assert len(set(found.tolist())) == 12
    assert len(set(zip(found.tolist(), track.tolist(), strict=True))) == 12


def test_a_group_has_one_class():
    images, track = frames(4, 6)
    labels = torch.arange(24) % 2
    found = near_duplicates(images, labels, 0.8)
    expected = {(int(t), int(y)) for t, y in zip(track, labels, strict=True)}
    assert len(set(found.tolist())) == len(expected)
    for group in set(found.tolist()):
        assert len(set(labels[torch.from_numpy(found == group)].tolist())) == 1


def test_groups_are_those_of_an_independent_search():
    """Against a plain union of all pairs whose correlation by NumPy is above the bound."""
    images, _ = frames(8, 3, seed=1)
    rows = images.numpy().reshape(24, -1).astype(float)
    close = np.corrcoef(rows) > 0.9
    reach = np.linalg.matrix_power(close.astype(int), 24) > 0
    found = near_duplicates(images, torch.zeros(24, dtype=torch.int64), 0.9)
    assert ((found[:, None] == found[None, :]) == reach).all()


def test_images_of_one_colour_are_alike_to_none():
    images = torch.full((6, 1, 8, 8), 100, dtype=torch.uint8)
    assert len(set(near_duplicates(images, torch.zeros(6, dtype=torch.int64)).tolist())) == 6


@pytest.mark.parametrize(
    ("images", "labels", "similarity", "message"),
    [
        (torch.zeros(4, 3), torch.zeros(4), 0.8, "uint8 images"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(3), 0.8, "give one each"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4), 1.0, "below 1"),
    ],
)
def test_what_cannot_be_compared_is_told(images, labels, similarity, message):
    with pytest.raises(InputError, match=message):
        near_duplicates(images, labels, similarity)
