"""A small gate on stored embeddings, fitted on one half and measured on the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from moesaic.selection.subsets._halves import Halves
from moesaic.selection.subsets._tables import Doubles, Singles

RIDGE = 1e-3
_STEPS = 40


def standardise(embedding: NDArray[np.floating]) -> Doubles:
    """Return the embedding (N, F) with mean 0 and deviation 1, and a column of ones (N, F + 1)."""
    points = np.asarray(embedding, dtype=np.float64)
    deviation = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(deviation > 1e-8, deviation, 1.0)
    return np.hstack([points, np.ones((len(points), 1))])


def cross_fitted_losses(loss: Singles, points: Doubles, halves: Halves) -> Singles:
    """Return the loss (N,) of a gated mixture on every sample, by the gate of the other half.

    Args:
        loss: (K, N) of the members.
        points: (N, F + 1) from `standardise`.
        halves: with one halving.
    """
    probability = np.exp(-loss.astype(np.float64)).T
    found = np.empty(len(points), dtype=np.float32)
    for view in (1, 2):
        own = halves.samples(view)
        weights = fit_gate(probability[~own], points[~own])
        found[own] = mixture_losses(weights, probability[own], points[own])
    return found


def fit_gate(probability: Doubles, points: Doubles) -> Doubles:
    """Return the weights (K, F + 1) of the linear softmax gate with the least mixture loss.

    Args:
        probability: (N, K) that each member gives the true class.
        points: (N, F + 1).
    """
    experts, width = probability.shape[1], points.shape[1]

    def target(flat: Doubles) -> tuple[float, Doubles]:
        weights = flat.reshape(experts, width)
        gate = _softmax(points @ weights.T)
        joint = gate * probability
        total = np.maximum(joint.sum(axis=1, keepdims=True), 1e-30)
        slope = (gate - joint / total).T @ points / len(points) + RIDGE * weights
        value = -float(np.log(total).mean()) + 0.5 * RIDGE * float((weights**2).sum())
        return value, slope.ravel()

    start = np.zeros(experts * width)
    solved = minimize(target, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    weights: Doubles = solved.x.reshape(experts, width)
    return weights


def mixture_losses(weights: Doubles, probability: Doubles, points: Doubles) -> Doubles:
    """Return -log of the gated probability of the true class (N,), nats."""
    gate = _softmax(points @ weights.T)
    losses: Doubles = -np.log(np.maximum((gate * probability).sum(axis=1), 1e-30))
    return losses


def _softmax(logits: Doubles) -> Doubles:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Doubles = raised / raised.sum(axis=1, keepdims=True)
    return found
