"""How many experts: one more as long as the bank says that it pays; it trains no mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.data import open_dataset
from moesaic.runs._session import SearchSession
from moesaic.runs._structure import NAMED, group_clusters
from moesaic.seeds import derive_seed, generator
from moesaic.selection import climb
from moesaic.structure import Partition

MOST_EXPERTS = 8
LEAST_SHARE = 0.02  # of the loss that one more expert must save

Mask = tuple[bool, ...]


def find_experts(
    session: SearchSession,
    generalists: Sequence[Observation],
    weight: NDArray[np.float64],
    partition: Partition,
) -> dict[str, Any]:
    """Return how many experts pay, and the gain of every step that was looked at.

    K experts are simulated from stored predictions: the clusters are joined into 1, 2, ... K
    groups, the best generalist of each group is continued on it, and K of all these experts are
    chosen with their routing. A validation sample goes where its cluster is routed, the cluster
    being the one that a gate-sized network *names*: what the gate will confuse is paid for. The
    groups are nested, so one more of them costs two trainings.

    One expert is continued on all data for the epochs of the highest rung, a group that K experts
    first bring for K times as many: K equal groups then see as many *samples* each as the one
    expert does. What experts gain shows once they are trained to the end; at equal passes of a few
    epochs the one that saw all data is ahead everywhere. A small group gets no more passes than a
    large one: a mixture will not give it more either. So this flatters more experts a little as
    long as all of them are far from the end, and a gain must be `LEAST_SHARE` of the loss to count.

    The loss is Brier's (`brier`) and not in nats: one sample that went astray, to an expert that
    never saw its like and is sure of itself, would outweigh a hundred others, and the experts of a
    mixture do see strays. See `moesaic.selection.climb` for when more pay.

    Args:
        session: the run.
        generalists: observations of the highest rung.
        weight: shares (M,) of the clusters.
        partition: the clusters; there are at most as many experts.

    Returns:
        `found` (K, 1 where no second expert pays), `experts` (what is trained, at least 2),
        `most`, `least_share`, `unit` and `steps` (gain and held-out loss), JSON-able.
    """
    known: dict[str, Any] | None = session.bank.meta("how_many")
    if known is not None:
        return known
    labels = open_dataset(session.folder.data).validation.labels.numpy()
    most = min(MOST_EXPERTS, partition.count)
    trained: set[Mask] = set()

    def losses(observations: Sequence[Observation]) -> NDArray[np.float64]:
        rows = [brier(session.bank.predictions(o.trial.key), labels) for o in observations]
        return np.stack(rows) if rows else np.empty((0, len(labels)))

    def candidates(count: int) -> NDArray[np.float64] | None:
        if _closed(session, count):
            return None
        trials = _plan(session, generalists, weight, count, trained)
        title = f"how many experts: are {count} enough"
        found = session.perform(title, trials, some_must_succeed=False)
        done = [one for one in found if one is not None]
        return losses([*generalists, *done] if count == 1 else done)

    experts, steps = climb(
        candidates,
        named_clusters(session, partition),
        most,
        least_share=LEAST_SHARE,
        rng=lambda few, more: generator(session.config.seed, f"how-many-{few}", more),
    )
    found = {
        "found": experts,
        "experts": max(2, experts),
        "most": most,
        "least_share": LEAST_SHARE,
        "unit": "Brier score",
        "steps": [step.to_dict() for step in steps],
    }
    session.bank.set_meta("how_many", found)
    return found


def brier(predictions: NDArray[np.float16], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the squared error (N,) of predicted probabilities: sum_c (p_c - [c is right])^2.

    A proper score like the cross-entropy, but between 0 and 2 (Brier 1950).

    Args:
        predictions: (N, classes), stored log-probabilities.
        labels: (N,).
    """
    told = np.exp(predictions.astype(np.float64))
    told /= told.sum(axis=1, keepdims=True)
    right = told[np.arange(len(labels)), labels]
    score: NDArray[np.float64] = (told**2).sum(axis=1) - 2.0 * right + 1.0
    return score


def named_clusters(session: SearchSession, partition: Partition) -> NDArray[np.int64]:
    """Return the cluster (N_val,) that a gate-sized network names for every validation sample."""
    path = session.folder.structure / NAMED
    if not path.is_file():  # the clusters were given, or an older version found them
        return partition.validation
    named: NDArray[np.int64] = np.load(path, allow_pickle=False)
    return named


def _closed(session: SearchSession, count: int) -> bool:
    """Whether half the budget was spent before; recorded, since the clock decided it."""
    closed: int | None = session.bank.meta("how_many_closed")
    if closed is None and session.out_of_time(0.5):
        closed = count
        session.bank.set_meta("how_many_closed", closed)
    return closed is not None and count >= closed


def _plan(
    session: SearchSession,
    generalists: Sequence[Observation],
    weight: NDArray[np.float64],
    count: int,
    trained: set[Mask],
) -> list[Trial]:
    """Plan the best generalist of every group of `count` that was not trained on before."""
    config = session.config
    groups = group_clusters(str(session.folder.path), count)
    loss = np.nan_to_num(np.stack([one.loss for one in generalists]), nan=1e3)
    trials = []
    for group in range(count):
        inside = groups == group
        mask = tuple(bool(value) for value in inside)
        if mask in trained:
            continue
        trained.add(mask)
        parent = generalists[int((loss[:, inside] @ weight[inside]).argmin())]
        epochs = count * config.rungs[-1]
        trials.append(
            Trial(
                kind="expert",
                stage=f"how-many-{count}",
                index=group,
                seed=derive_seed(config.seed, f"how-many-{count}", group),
                architecture=parent.trial.architecture,
                subset=None if count == 1 else mask,
                recipe=config.recipe.for_epochs(epochs).to_dict(),
                parent=parent.trial.key,
            )
        )
    return trials
