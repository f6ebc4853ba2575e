"""Hyperparameters of a Gaussian process by their posterior density; it predicts nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import minimize

from moesaic.surrogate._base import Floats

STARTS = (0.35, 0.7, 1.4, 2.8, 5.6)
STEPS = 40
FEW = 50
# Standard deviations of the priors of logarithms, and where those of noise and graphs lie.
LENGTH_SPREAD, OTHER_SPREAD = 1.5, 1.5
LOG_NOISE, LOG_GRAPH = -3.0, -4.0
_ROOT5 = float(np.sqrt(5.0))


@dataclass(frozen=True)
class Kernel:
    """Matern 5/2 with a length scale for every feature, plus a share of a graph kernel.

    Attributes:
        length: (F,).
        graph: factor on the graph kernel; 0 where there is none.
    """

    length: Floats
    graph: float

    def between(self, first: Floats, second: Floats, shared: Floats | None) -> Floats:
        """Return (q, n) of features (q, F) and (n, F) and their graph kernel."""
        correlation = matern(np.sqrt(squares(first / self.length, second / self.length)))
        return correlation if shared is None else correlation + self.graph * shared


def matern(distance: Floats) -> Floats:
    """Return the Matern 5/2 correlation at distances in length scales."""
    scaled = _ROOT5 * distance
    correlation: Floats = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
    return correlation


def squares(first: Floats, second: Floats) -> Floats:
    """Return squared distances (q, n), never negative."""
    across = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2.0 * first @ second.T
    return np.asarray(np.maximum(across, 0.0))


def tune(inputs: Floats, target: Floats, shared: Floats | None) -> list[Kernel]:
    """Return the kernels of highest posterior density, their signals profiled out.

    The length scales start equal and leave that as far as a normal prior of their logarithms
    lets them: few observations keep them nearly equal, many tell which features matter
    (automatic relevance determination; MacKay, 1994). Many observations start from the best
    of five common lengths and give one kernel. Few do not tell the lengths apart: they give
    one kernel for every start, to be averaged.

    Args:
        inputs: (n, F) standardised.
        target: (n, m) standardised; a noise level each.
        shared: (n, n) graph kernel, if there is one.
    """
    features, extra = inputs.shape[1], int(shared is not None)
    pairs = np.sqrt(squares(inputs, inputs)[np.triu_indices(len(inputs), 1)])
    unit = float(np.median(pairs)) if pairs.size else 1.0
    unit = unit if unit > 0 else 1.0
    others = np.array([LOG_GRAPH] * extra + [LOG_NOISE] * target.shape[1])
    spread = np.array([LENGTH_SPREAD] * features + [OTHER_SPREAD] * len(others))
    starts = [np.concatenate([np.full(features, np.log(start * unit)), others]) for start in STARTS]
    few = len(inputs) <= FEW
    if few:
        starts = starts[1:]
    else:
        values = [density(start, inputs, target, shared, start, spread)[0] for start in starts]
        starts = [starts[int(np.argmin(values))]]
    kernels = []
    for start in starts:
        found = minimize(
            density,
            start,
            args=(inputs, target, shared, start, spread),
            jac=True,
            method="L-BFGS-B",
            bounds=[(place - 8.0, place + 8.0) for place in start],
            options={"maxiter": STEPS // 2 if few else STEPS},
        ).x
        graph = float(np.exp(found[features])) if extra else 0.0
        kernels.append(Kernel(np.exp(found[:features]), graph))
    return kernels


def density(
    where: Floats,
    inputs: Floats,
    target: Floats,
    shared: Floats | None,
    centre: Floats,
    spread: Floats,
) -> tuple[float, Floats]:
    """Return minus the log posterior density, up to a constant, and its gradient.

    Args:
        where: log length scales (F), log factor of the graph kernel (if any), log noise (m).
        inputs: (n, F).
        target: (n, m).
        shared: (n, n) graph kernel, if there is one.
        centre: of the normal prior of `where`.
        spread: its standard deviation.
    """
    count, features = inputs.shape
    places = features + int(shared is not None)
    scaled = inputs * np.exp(-where[:features])
    distance = np.sqrt(squares(scaled, scaled))
    falling = np.exp(-_ROOT5 * distance)
    kernel = (1.0 + _ROOT5 * distance + 5.0 / 3.0 * distance**2) * falling
    if shared is not None:
        kernel = kernel + np.exp(where[features]) * shared
    value, slope = 0.0, np.zeros_like(where)
    total = np.zeros_like(kernel)
    identity = np.eye(count)
    for column in range(target.shape[1]):
        noise = float(np.exp(where[places + column]))
        root, inverse = _inverse(kernel + (noise + 1e-8) * identity)
        weights = inverse @ target[:, column]
        signal = max(float(target[:, column] @ weights) / count, 1e-300)
        value += 0.5 * count * np.log(signal) + np.log(np.diag(root)).sum()
        inner = 0.5 * (np.outer(weights, weights) / signal - inverse)
        slope[places + column] = -np.trace(inner) * noise
        total += inner
    if shared is not None:
        slope[features] = -np.sum(total * shared) * np.exp(where[features])
    # d kernel / d log length = this factor times the squared difference of the scaled feature.
    total *= 5.0 / 3.0 * (1.0 + _ROOT5 * distance) * falling
    own = (total.sum(axis=1)[:, None] * scaled**2).sum(axis=0)
    slope[:features] = -2.0 * (own - (scaled * (total @ scaled)).sum(axis=0))
    off = (where - centre) / spread
    return float(value + 0.5 * np.sum(off**2)), slope + off / spread


def _inverse(matrix: Floats) -> tuple[Floats, Floats]:
    """Return Cholesky root and inverse (n, n) of a positive definite matrix."""
    root, wrong = dpotrf(matrix, lower=True)
    if wrong:
        raise np.linalg.LinAlgError(f"minor {wrong} of the kernel is not positive definite")
    lower, _ = dpotri(root, lower=True)
    lower = np.tril(lower)
    return root, lower + np.tril(lower, -1).T
