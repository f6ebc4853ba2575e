"""Halving samples so that one half judges what the other chose; it chooses nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from moesaic.errors import InputError
from moesaic.selection._problem import Floats
from moesaic.selection._select import select


class Interval(NamedTuple):
    """An estimate with its 95 % interval, in the unit of what is estimated."""

    mean: float
    low: float
    high: float


class Half(NamedTuple):
    """One half of the samples, summed up by cluster.

    Attributes:
        sums: one table (E, M) of summed losses for every table of samples.
        sizes: (M,) samples of every cluster.
    """

    sums: tuple[Floats, ...]
    sizes: Floats


def can_be_halved(cluster: ArrayLike) -> bool:
    """Whether samples of these clusters (N,) can be cut into halves that share a cluster."""
    _, sizes = np.unique(np.asarray(cluster), return_counts=True)
    return bool(sizes.sum() >= 4 and sizes.max() >= 2)


class Halves:
    """Tables of sample losses that are cut into halves within every cluster, again and again."""

    def __init__(self, tables: Sequence[ArrayLike], cluster: ArrayLike, splits: int) -> None:
        """Check and sum up the losses.

        Args:
            tables: each (E, N), loss of every expert on every sample, finite.
            cluster: (N,) cluster of every sample, integers.
            splits: number of halvings.

        Raises:
            InputError: shapes that do not fit, values not finite, too few samples to halve.
        """
        losses = [np.asarray(table, dtype=np.float64) for table in tables]
        names = np.asarray(cluster)
        for table in losses:
            if table.ndim != 2 or names.shape != table.shape[1:] or not np.all(np.isfinite(table)):
                raise InputError(
                    f"sample losses {table.shape} and clusters {names.shape} do not fit: give "
                    "finite losses (experts, samples) and one cluster a sample"
                )
        if not can_be_halved(names) or splits < 1:
            raise InputError(
                f"{names.size} samples and {splits} splits: halves need at least 4 samples, two of "
                "them in one cluster, and 1 split"
            )
        _, self._member = np.unique(names, return_inverse=True)
        self._onehot = np.eye(int(self._member.max()) + 1)[self._member]
        self._losses, self._splits = losses, splits
        self._total = [table @ self._onehot for table in losses]
        self._size = self._onehot.sum(axis=0)

    def draw(self, rng: np.random.Generator) -> Iterator[tuple[Half, Half]]:
        """Yield the two halves of every halving."""
        for _ in range(self._splits):
            half = draw_half(self._member, rng)
            count = self._onehot[half].sum(axis=0)
            own = tuple(table[:, half] @ self._onehot[half] for table in self._losses)
            rest = tuple(whole - part for whole, part in zip(self._total, own, strict=True))
            yield Half(own, count), Half(rest, self._size - count)


def draw_half(member: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw half of every cluster, (about N / 2,); an odd sample out goes to a random side.

    Args:
        member: (N,) cluster of every sample, 0 and up.
        rng: draws who is in it.
    """
    picked = []
    for index in range(int(member.max()) + 1):
        own = rng.permutation(np.flatnonzero(member == index))
        picked.append(own[: (len(own) + int(rng.integers(2))) // 2])
    return np.concatenate(picked)


def chosen_on(half: Half, other: Half, table: int, experts: int) -> tuple[float, float]:
    """Choose K experts and their routing on one half; return the mean loss there and on the other.

    Clusters that either half lacks are left out.

    Args:
        half: chooses.
        other: judges.
        table: which of the tables.
        experts: K; fewer are chosen where there are fewer experts or clusters.
    """
    known = (half.sizes > 0) & (other.sizes > 0)
    mean = half.sums[table][:, known] / half.sizes[known]
    few = max(1, min(experts, *mean.shape))
    owner = select(mean, half.sizes[known], few, exact=False).assignment
    columns = np.arange(int(known.sum()))
    inside, outside = (
        float(part.sums[table][:, known][owner, columns].sum() / part.sizes[known].sum())
        for part in (half, other)
    )
    return inside, outside


def resampled(estimates: Sequence[float]) -> Interval:
    """Return the mean of estimates from halves of the same samples, with a wide interval.

    Student's with the corrected resampling variance (1 / J + 1) s^2 over J estimates (Nadeau and
    Bengio 2003, test and training parts of equal size), because they share their samples.
    """
    values = np.asarray(estimates)
    mean = float(values.mean())
    error = float(np.sqrt((1.0 / len(values) + 1.0) * values.var(ddof=1)))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)
