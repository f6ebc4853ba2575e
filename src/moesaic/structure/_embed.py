"""Embedders: they turn samples into vectors in which regions of the data can be found."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from moesaic.data import Normaliser, Split
from moesaic.training import Recipe, cross_entropy_objective, fit, predict_logits


class EmbeddingNetwork(nn.Module):
    """A small classifier whose penultimate layer (B, 64) is the embedding.

    Args:
        input_shape: (C, H, W) or (D,).
        classes: number of classes it is trained on.
    """

    def __init__(self, input_shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        if len(input_shape) == 3:
            self.body: nn.Module = nn.Sequential(
                _convolution(input_shape[0], 16, 1),
                _convolution(16, 32, 2),
                _convolution(32, 64, 2),
                _convolution(64, 64, 1),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            )
        else:
            self.body = nn.Sequential(
                nn.Linear(input_shape[0], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
            )
        self.head = nn.Linear(64, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        logits: Tensor = self.head(self.body(inputs))
        return logits


def _convolution(inside: int, outside: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


def train_embedder(
    train: Split, normaliser: Normaliser, classes: int, recipe: Recipe, seed: int
) -> EmbeddingNetwork:
    """Train the embedding network on the labels of the training split."""
    torch.manual_seed(seed)
    network = EmbeddingNetwork(tuple(train.inputs.shape[1:]), classes)
    fit(
        network,
        cross_entropy_objective(network, recipe, seed=seed),
        train,
        normaliser,
        recipe,
        seed=seed,
    )
    return network


def embed_trained(
    network: EmbeddingNetwork, split: Split, normaliser: Normaliser
) -> NDArray[np.float32]:
    """Return the penultimate activations (N, 64) of a split."""
    embedding: NDArray[np.float32] = predict_logits(network.body, split.inputs, normaliser).numpy()
    return embedding


def embed_classes(
    network: EmbeddingNetwork, split: Split, normaliser: Normaliser
) -> NDArray[np.float32]:
    """Return what the network sees in a split and what it takes it for, (N, 64 + classes).

    Square roots of the penultimate activations, brought to length 1, beside square roots of the
    class probabilities, whose length is 1: Euclidean distance is then Hellinger's in both halves,
    and they weigh alike. Samples between two regions, which few activations tell apart, are drawn
    to the region that their class belongs to.
    """
    seen = torch.from_numpy(embed_trained(network, split, normaliser))
    with torch.no_grad():
        device = next(network.parameters()).device
        taken = network.head(seen.to(device)).softmax(dim=1).cpu().sqrt()
    roots = nn.functional.normalize(seen.clamp(min=0).sqrt(), dim=1)
    embedding: NDArray[np.float32] = torch.cat([roots, taken], dim=1).numpy()
    return embedding


def embed_pixels(
    train: Split, validation: Split, seed: int, components: int = 32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the leading principal components of the raw inputs of both splits."""
    flat = [
        split.inputs.reshape(len(split), -1).numpy().astype(np.float32)
        for split in (train, validation)
    ]
    limit = min(components, *flat[0].shape)
    model = PCA(limit, svd_solver="randomized", random_state=seed % 2**32).fit(flat[0])
    return model.transform(flat[0]), model.transform(flat[1])
