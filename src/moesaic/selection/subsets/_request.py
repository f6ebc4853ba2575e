"""A request to score subsets, checked; it scores none."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import InputError
from moesaic.seeds import generator
from moesaic.selection._problem import Limits
from moesaic.selection.subsets._halves import Halves, halve
from moesaic.selection.subsets._limits import Costs
from moesaic.selection.subsets._tables import Doubles, Singles


@dataclass(frozen=True)
class Members:
    """What is known of the experts that may be chosen.

    Attributes:
        loss: (E, N) of every expert on every validation sample, nats.
        right: (E, N) whether it was right there; read by `mean`.
        cluster: (N,) cluster of every sample, 0 .. M - 1; read by `cluster`.
        share: (M,) weights of the clusters; those of the samples when None.
        embedding: (N, F) of the samples; read by `gate`.
        macs: (E,) multiply-accumulates of one sample; read by a limit on them.
        parameters: (E,); read by a limit on them.
    """

    loss: ArrayLike
    right: ArrayLike | None = None
    cluster: ArrayLike | None = None
    share: ArrayLike | None = None
    embedding: ArrayLike | None = None
    macs: ArrayLike | None = None
    parameters: ArrayLike | None = None


@dataclass(frozen=True)
class Task:
    """A checked request.

    Attributes:
        members: as they were given.
        loss: (E, N), checked.
        experts: K.
        costs: the limits on a subset.
        free: members that may be chosen, ascending.
        forced: members that are in every subset, ascending.
        top: how many of the best are wanted.
        seed: of the halves.
        most: subsets up to which all are scored.
    """

    members: Members
    loss: Singles
    experts: int
    costs: Costs
    free: tuple[int, ...]
    forced: tuple[int, ...]
    top: int
    seed: int
    most: int

    @property
    def space(self) -> int:
        """How many subsets there are, limits on costs left out."""
        return comb(len(self.free), self.experts - len(self.forced))

    def halves(self, one: bool) -> Halves:
        """Split the samples, in one way or in all ways of a few blocks."""
        cluster = self.members.cluster
        group = None if cluster is None else np.asarray(cluster, dtype=np.int64)
        rng = generator(self.seed, "rank/halves")
        return halve(self.loss.shape[1], group, rng, 2 if one else None)


def checked(
    members: Members,
    experts: int,
    limits: Limits,
    active: int | None,
    top: int,
    seed: int,
    most: int,
) -> Task:
    """Check everything that does not depend on the score (see `score_subsets`).

    Raises:
        InputError: shapes that do not fit, or limits that name nobody or everybody.
    """
    loss = np.ascontiguousarray(members.loss, dtype=np.float32)
    if loss.ndim != 2 or loss.shape[1] < 2 or not np.all(np.isfinite(loss)):
        raise InputError(
            f"losses of shape {loss.shape}: give finite ones of (experts, samples), two samples "
            "at least"
        )
    if members.cluster is not None and np.shape(members.cluster) != loss.shape[1:]:
        raise InputError(
            f"{np.shape(members.cluster)} clusters for {loss.shape[1]} samples: give one each"
        )
    count = len(loss)
    forced, never = tuple(sorted(set(limits.must_have))), set(limits.must_not)
    if not all(0 <= row < count for row in {*forced, *never}):
        raise InputError(f"must_have or must_not names an expert outside 0 .. {count - 1}")
    if never & set(forced):
        raise InputError(f"experts {sorted(never & set(forced))} are in must_have and in must_not")
    if not max(1, len(forced)) <= experts <= count - len(never):
        raise InputError(
            f"{experts} experts out of {count - len(never)} with {len(forced)} that must be "
            f"there: choose {max(1, len(forced))} to {count - len(never)}"
        )
    if active is not None and not 1 <= active <= experts:
        raise InputError(f"{active} active experts of {experts}: choose 1 to {experts}")
    if top < 1:
        raise InputError(f"top is {top}: ask for 1 or more")
    costs = Costs(
        macs=_per_expert("macs", members.macs, count, limits.max_macs),
        parameters=_per_expert("parameters", members.parameters, count, limits.max_parameters),
        max_macs=limits.max_macs,
        max_parameters=limits.max_parameters,
        active=active or experts,
    )
    free = tuple(row for row in range(count) if row not in never and row not in forced)
    return Task(members, loss, experts, costs, free, forced, top, seed, most)


def _per_expert(name: str, values: ArrayLike | None, count: int, limit: float | None) -> Doubles:
    if values is None:
        if limit is not None:
            raise InputError(f"a limit on {name} was given without {name}: pass {name}")
        return np.zeros(count)
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,):
        raise InputError(f"{name} has shape {array.shape}: give one number an expert")
    return array


def right_of(task: Task) -> NDArray[np.bool_]:
    """Return who was right where (E, N); InputError when it is not known."""
    if task.members.right is None:
        raise InputError("score mean needs to know who was right: pass right")
    right = np.asarray(task.members.right, dtype=bool)
    if right.shape != task.loss.shape:
        raise InputError(f"right has shape {right.shape}, losses {task.loss.shape}: give the same")
    return right


def clusters_of(task: Task) -> tuple[NDArray[np.int64], Doubles]:
    """Return the cluster of every sample (N,) and shares (M,); InputError when not known."""
    if task.members.cluster is None:
        raise InputError("score cluster needs the cluster of every sample: pass cluster")
    cluster = np.asarray(task.members.cluster, dtype=np.int64)
    if cluster.shape != task.loss.shape[1:] or cluster.min(initial=0) < 0:
        raise InputError(
            f"{cluster.shape} clusters for {task.loss.shape[1]} samples: give one each"
        )
    count = np.bincount(cluster)
    share = count if task.members.share is None else np.asarray(task.members.share)
    if len(share) < len(count):
        raise InputError(f"{len(share)} shares for {len(count)} clusters: give one each")
    share = np.where(np.bincount(cluster, minlength=len(share)) > 0, share, 0.0)
    return cluster, share / share.sum()
