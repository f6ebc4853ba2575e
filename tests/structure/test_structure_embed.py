"""Embedders: shapes, order, repeatability, and that the trained one separates classes."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from moesaic.data import Normaliser, Split
from moesaic.structure import (
    EmbeddingNetwork,
    embed_classes,
    embed_pixels,
    embed_trained,
    train_embedder,
)
from moesaic.training import Recipe

RECIPE = Recipe(epochs=6, batch_size=32, lr=0.01, shift=0)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def split(count=90, shape=(3, 8, 8), seed=0):
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    if len(shape) == 1:
        return Split(torch.randn(count, *shape, generator=source) + 4 * labels[:, None], labels)
    inputs = torch.randint(0, 80, (count, *shape), generator=source)
    return Split((inputs + 60 * labels[:, None, None, None]).to(torch.uint8), labels)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 13, 9), (1, 4, 4), (7,)])
def test_the_trained_embedding_has_64_numbers_a_sample_and_is_repeatable(shape):
    train, other = split(shape=shape), split(20, shape, seed=1)
    normaliser = Normaliser.fit(train)
    first, again = (train_embedder(train, normaliser, 3, RECIPE, seed=5) for _ in range(2))
    embedding = embed_trained(first, other, normaliser)
    assert embedding.shape == (20, 64)
    assert embedding.dtype == np.float32
    assert np.isfinite(embedding).all()
    assert np.array_equal(embedding, embed_trained(again, other, normaliser))
    changed = train_embedder(train, normaliser, 3, RECIPE, seed=6)
    assert not np.array_equal(embedding, embed_trained(changed, other, normaliser))


def test_the_embedding_is_what_the_head_reads():
    train = split()
    normaliser = Normaliser.fit(train)
    network = train_embedder(train, normaliser, 3, RECIPE, seed=0)
    embedding = torch.from_numpy(embed_trained(network, train, normaliser))
    with torch.no_grad():
        torch.testing.assert_close(network.head(embedding), network(normaliser(train.inputs)))
        right = network.head(embedding).argmax(dim=1) == train.labels
    assert right.float().mean() > 0.9


@pytest.mark.parametrize("shape", [(3, 8, 8), (7,)])
def test_what_is_seen_and_what_it_is_taken_for_weigh_alike(shape):
    train = split(shape=shape)
    normaliser = Normaliser.fit(train)
    network = train_embedder(train, normaliser, 3, RECIPE, seed=0)
    embedding = embed_classes(network, train, normaliser)
    assert embedding.shape == (90, 64 + 3)
    assert embedding.dtype == np.float32
    halves = embedding[:, :64], embedding[:, 64:]
    for half in halves:
        assert np.linalg.norm(half, axis=1) == pytest.approx(np.ones(90), abs=1e-5)
    with torch.no_grad():
        told = network(normaliser(train.inputs)).softmax(dim=1)
    assert halves[1] ** 2 == pytest.approx(told.numpy(), abs=1e-5)
    activations = embed_trained(network, train, normaliser)
    assert halves[0] ** 2 * activations.sum(axis=1, keepdims=True) == pytest.approx(
        activations, abs=1e-4
    )


def test_the_network_maps_both_kinds_of_input_to_logits():
    assert EmbeddingNetwork((3, 8, 8), 5)(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    assert EmbeddingNetwork((4,), 5)(torch.zeros(2, 4)).shape == (2, 5)


@pytest.mark.parametrize(
    ("shape", "count", "expected"), [((3, 8, 8), 90, 32), ((7,), 90, 7), ((3, 8, 8), 12, 12)]
)
def test_pixels_give_at_most_32_components_of_the_training_split(shape, count, expected):
    train, validation = split(count, shape), split(30, shape, seed=1)
    first, second = embed_pixels(train, validation, seed=2**62 + 1)
    assert first.shape == (count, expected)
    assert second.shape == (30, expected)
    again, _ = embed_pixels(train, validation, seed=2**62 + 1)
    assert np.array_equal(first, again)


def test_the_leading_components_are_those_of_an_exact_decomposition():
    train, validation = split(), split(30, seed=1)
    first, second = embed_pixels(train, validation, seed=0, components=2)
    flat = train.inputs.reshape(90, -1).double().numpy()
    exact = PCA(2, svd_solver="full").fit(flat)
    expected = exact.transform(flat)
    signs = np.sign((expected * first).sum(axis=0))
    assert first[:, 0] * signs[0] == pytest.approx(expected[:, 0], rel=1e-3, abs=0.5)
    other = exact.transform(validation.inputs.reshape(30, -1).double().numpy())
    assert second[:, 0] * signs[0] == pytest.approx(other[:, 0], rel=1e-3, abs=0.5)
