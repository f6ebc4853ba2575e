"""Measurement of a trained network, cluster by cluster; it is told the clusters as plain ids."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moesaic.data import Normaliser, Split
from moesaic.errors import Diverged


@dataclass(frozen=True)
class Measurement:
    """What a network does on a split.

    Attributes:
        loss: float64 (M,), mean cross-entropy of every cluster in nats; NaN for an empty one.
        accuracy: float64 (M,), share of right answers; NaN for an empty cluster.
        predictions: float16 (N, classes), log-probabilities; the largest of a row is the answer
            that `accuracy` counts.
    """

    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    predictions: NDArray[np.float16]


def predict_logits(
    network: nn.Module, inputs: Tensor, normaliser: Normaliser, batch_size: int = 500
) -> Tensor:
    """Return the outputs (N, classes) for raw inputs (N, ...), N >= 1, in evaluation mode.

    Raises:
        Diverged: an output is infinite or not a number; NaN is kept for clusters without samples.
    """
    device = next(network.parameters()).device
    normaliser = deepcopy(normaliser).to(device)  # a module moves in place, and others share it
    was_training = network.training
    network.eval()
    outputs = []
    with torch.inference_mode():
        for start in range(0, inputs.shape[0], batch_size):
            batch = normaliser(inputs[start : start + batch_size].to(device))
            if batch.dim() == 4:
                batch = batch.contiguous(memory_format=torch.channels_last)
            outputs.append(network(batch).float().cpu())
    network.train(was_training)
    logits = torch.cat(outputs)
    if not bool(torch.isfinite(logits).all()):
        raise Diverged("the trained network's outputs are infinite or not a number")
    return logits


def sample_losses(predictions: NDArray[np.float16], labels: Tensor) -> NDArray[np.float64]:
    """Return the cross-entropy (N,) in nats of stored log-probabilities (N, classes)."""
    rows = np.arange(len(labels))
    losses: NDArray[np.float64] = -predictions[rows, labels.numpy()].astype(np.float64)
    return losses


def by_cluster(
    values: NDArray[np.float64], clusters: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return the mean (count,) of values (N,) in every cluster; NaN where a cluster is empty."""
    sizes = np.bincount(clusters, minlength=count).astype(np.float64)
    sums = np.bincount(clusters, weights=values, minlength=count)
    means: NDArray[np.float64] = np.divide(sums, sizes, out=np.full(count, np.nan), where=sizes > 0)
    return means


def measure(
    network: nn.Module,
    split: Split,
    normaliser: Normaliser,
    clusters: NDArray[np.int64],
    count: int,
) -> Measurement:
    """Measure a network on every cluster of a split.

    Args:
        network: maps normalised inputs to logits (B, classes).
        split: what to measure on, N samples.
        normaliser: the one it was trained with.
        clusters: int64 (N,), the cluster of every sample.
        count: M, the number of clusters.

    Raises:
        Diverged: an output of the network is infinite or not a number.
    """
    logits = predict_logits(network, split.inputs, normaliser)
    return measure_logits(logits, split.labels, clusters, count)


def measure_logits(
    logits: Tensor, labels: Tensor, clusters: NDArray[np.int64], count: int
) -> Measurement:
    """Measure logits (N, classes) against labels (N,) on every one of `count` clusters (N,)."""
    # float16 reaches down to -65504, so a confident mistake stays finite
    predictions = torch.log_softmax(logits, dim=1).clamp(min=-6e4).numpy().astype(np.float16)
    losses = sample_losses(predictions, labels)
    answers = logits.argmax(dim=1)
    right = (answers == labels).numpy().astype(np.float64)
    _keep_answers(predictions, answers.numpy())
    return Measurement(
        loss=by_cluster(losses, clusters, count),
        accuracy=by_cluster(right, clusters, count),
        predictions=predictions,
    )


def _keep_answers(predictions: NDArray[np.float16], answers: NDArray[np.int64]) -> None:
    """Raise the answer of a row above what rounding made equal to it, by one step, in place."""
    rows = np.flatnonzero(predictions.argmax(axis=1) != answers)
    highest = predictions[rows].max(axis=1)
    predictions[rows, answers[rows]] = np.nextafter(highest, np.float16(np.inf))
