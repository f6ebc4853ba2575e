"""The theory of a run: what the published argument assumes, measured; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from moesaic.bank import Bank, Observation
from moesaic.runs._asked import Asked, read_asked
from moesaic.runs._preferences import operations_preferred
from moesaic.runs._price import priced
from moesaic.runs._specialise import Choice, specialists_of
from moesaic.seeds import generator
from moesaic.selection import (
    Step,
    best_objective,
    can_be_halved,
    cluster_rank_correlation,
    joint_minus_decomposed,
    optimism,
    rises,
    routing_entropy,
    spearman,
    surrogate_step,
)
from moesaic.spaces import SearchSpace
from moesaic.training import by_cluster, sample_losses

Floats = NDArray[np.float64]


def theory(
    bank: Bank,
    space: SearchSpace,
    choice: Choice,
    weight: Floats,
    clusters: NDArray[np.int64],
    labels: Tensor,
    usage: Sequence[float] | None,
    seed: int,
) -> dict[str, Any]:
    """Measure on a finished run what the theory of surrogate-guided search assumes.

    Losses and objectives are mean validation losses in nats; those of `rounds` hold the price of
    compute where it has one, as the strategy was told them. docs/theory.md has the proofs.

    Args:
        bank: of the run.
        space: names the operations of an architecture.
        choice: the K experts and the routing.
        weight: shares (M,) of the clusters.
        clusters: of the validation samples, (N_val,).
        labels: of the validation samples, (N_val,).
        usage: the experts' shares of the test split under the trained gate, (K,), if known.
        seed: the run's; halves of the samples are drawn from it.

    Returns:
        surrogate_error_max, surrogate_error_mean: largest and mean |predicted - measured| of
            all trainings that a surrogate proposed; None where it proposed none.
        ascent_violations: rounds after which the best measured objective of the bank was worse,
            counted along `objective` and along the selection's own history.
        optimism: of the best objective: held-out less own loss of a choice made on one half;
            None where the validation split is too small to be halved.
        bound_violations: rounds in which the selection believed in measured more than
            2 * error_max worse than the incumbent; None where no surrogate proposed.
        joint_minus_decomposed: K experts for M clusters less every cluster its own, on the bank.
        cluster_rank_correlation: of the generalists' losses, mean over pairs of clusters.
        The rest is detail: `rounds`, `objective`, `optimism_interval`, `same_cluster_correlation`,
        `joint_minus_decomposed_trained`, `value_of_heterogeneity`, `routing_entropy`,
        `routing_entropy_gate`, `operations`.
    """
    experts = len(choice.experts)
    lowest = _generalists(bank, 0, weight)
    highest = _generalists(bank, _highest(bank), weight)
    special = specialists_of(bank, experts)
    rounds = _rounds(bank, weight, experts)
    steps = [one for _, one in rounds if one is not None]
    path = _path(bank, weight, experts)
    counted = len(lowest) * len(clusters) > 0
    honest = None
    if can_be_halved(clusters):
        honest = optimism(
            np.stack([_losses(bank, one, labels) for one in (*highest, *special)]),
            clusters,
            experts,
            rng=generator(seed, "optimism"),
        )
    table = _matrix(highest)
    planned = np.bincount(np.asarray(choice.routing), weights=weight, minlength=experts)
    return {
        "surrogate_error_max": max((one.error_max for one in steps), default=None),
        "surrogate_error_mean": _mean_error(rounds),
        "ascent_violations": rises([value for _, value in path]) + rises(choice.history),
        "optimism": None if honest is None else honest.mean,
        "bound_violations": sum(one.breaks_bound for one in steps) if steps else None,
        "joint_minus_decomposed": joint_minus_decomposed(table, weight, experts),
        "cluster_rank_correlation": cluster_rank_correlation(_matrix(lowest), weight),
        "rounds": _described(rounds),
        "objective": [{"after": name, "objective": value} for name, value in path],
        "optimism_interval": None if honest is None else honest._asdict(),
        "same_cluster_correlation": (
            _same_cluster(bank, lowest, clusters, labels, weight, seed) if counted else None
        ),
        "joint_minus_decomposed_trained": _trained_gap(bank, choice, weight, experts),
        "value_of_heterogeneity": joint_minus_decomposed(table, weight, 1),
        "routing_entropy": routing_entropy(planned),
        "routing_entropy_gate": routing_entropy(usage) if usage and sum(usage) > 0 else None,
        "operations": operations_preferred(space, lowest, weight),
    }


def _matrix(observations: Sequence[Observation]) -> Floats:
    return np.stack([observation.loss for observation in observations])


def _losses(bank: Bank, observation: Observation, labels: Tensor) -> Floats:
    return sample_losses(bank.predictions(observation.trial.key), labels)


def _everywhere(observation: Observation) -> bool:
    subset = observation.trial.subset
    return subset is None or all(subset)


def _highest(bank: Bank) -> int:
    stages = {o.trial.stage for o in bank.observations(kind="expert")}
    levels = [stage.removeprefix("rung-") for stage in stages if stage.startswith("rung-")]
    return max((int(level) for level in levels), default=0)


def _whole(found: Sequence[Observation], weight: Floats) -> list[Observation]:
    """Return those that were measured on every cluster that counts."""
    return [one for one in found if np.isfinite(one.loss[weight > 0]).all()]


def _generalists(bank: Bank, level: int, weight: Floats) -> list[Observation]:
    """Return the experts of a rung that were trained on all data; all of them if none was."""
    found = bank.observations(stage=f"rung-{level}")
    return _whole([one for one in found if _everywhere(one)], weight) or found


def _rounds(bank: Bank, weight: Floats, experts: int) -> list[tuple[Asked, Step | None]]:
    """Replay every round of ask and tell; None for one in which no surrogate proposed."""
    known: list[Observation] = []
    found: list[tuple[Asked, Step | None]] = []
    for asked in read_asked(bank):
        done = [bank.observation(key) for key in asked.trials if bank.status(key) == "done"]
        done = _whole(done, weight)
        new = {one.trial.key: one for one in priced(done, asked.price)}
        pairs = [
            (told, new[key].loss)
            for key, told in zip(asked.trials, asked.predicted, strict=True)
            if told is not None and key in new
        ]
        step = None
        if known and pairs:
            told, measured = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
            before = _matrix(priced(known, asked.price))
            step = surrogate_step(before, told, measured, weight, experts)
        found.append((asked, step))
        known += done
    return found


def _mean_error(rounds: Sequence[tuple[Asked, Step | None]]) -> float | None:
    """Return the mean error over all proposals of a surrogate, every one counting alike."""
    sizes = [(sum(told is not None for told in asked.predicted), step) for asked, step in rounds]
    weighed = [(size, step.error_mean) for size, step in sizes if step is not None]
    total = sum(size for size, _ in weighed)
    return sum(size * error for size, error in weighed) / total if total else None


def _described(rounds: Sequence[tuple[Asked, Step | None]]) -> list[dict[str, Any]]:
    """Return the rounds as plain numbers, with the running sum of the largest errors."""
    total, found = 0.0, []
    for number, (asked, step) in enumerate(rounds):
        row: dict[str, Any] = {
            "round": number,
            "asked": len(asked.trials),
            "predicted": sum(told is not None for told in asked.predicted),
        }
        if step is not None:
            total += step.error_max
            row |= {
                **vars(step),
                "error_sum": total,
                "surrogate_optimism": step.achieved - step.believed,
                "breaks_bound": step.breaks_bound,
            }
        found.append(row)
    return found


def _named(bank: Bank, stage: str, keys: Sequence[str]) -> str:
    """Return what a stage of specialists is called: sizes begin anew, rounds continue."""
    number = int(stage.rsplit("-", 1)[1])
    if number > 0 and all(bank.trial(key).parent is None for key in keys):
        return "sizes"
    return f"specialisation {number + 1}"


def _path(bank: Bank, weight: Floats, experts: int) -> list[tuple[str, float]]:
    """Return the best measured objective of the growing bank, after every round of the run."""
    asked = read_asked(bank)
    stages = [
        (f"round {number + 1}", [k for k in one.trials if bank.status(k) == "done"])
        for number, one in enumerate(asked)
    ]
    first = 1 if asked else 0
    stages += [
        (f"rung {level + 1}", [o.trial.key for o in bank.observations(stage=f"rung-{level}")])
        for level in range(first, _highest(bank) + 1)
    ]
    special: dict[str, list[str]] = {}
    for one in specialists_of(bank, experts):
        special.setdefault(one.trial.stage, []).append(one.trial.key)
    stages += [
        (_named(bank, stage, special[stage]), special[stage])
        for stage in sorted(special, key=lambda stage: int(stage.rsplit("-", 1)[1]))
    ]
    rows: list[Floats] = []
    path = []
    for name, keys in stages:
        rows += [one.loss for one in _whole([bank.observation(key) for key in keys], weight)]
        if len(rows) >= experts:
            path.append((name, best_objective(np.stack(rows), weight, experts)))
    return path


def _trained_gap(bank: Bank, choice: Choice, weight: Floats, experts: int) -> float | None:
    """Return joint less cluster-wise when both are trained, on the level of the K groups.

    Cluster-wise (Problem 6 with the K groups as its clusters): each group keeps the best of the
    experts trained on it, and no cluster may move. Joint (5): the choice that was made. Never
    positive while the choice minimises the loss alone: the cluster-wise answer is one of its
    candidates. None where a group's trainings failed.
    """
    groups: dict[tuple[bool, ...], list[Observation]] = {}
    for one in bank.observations(stage=f"specialise-{experts}-0"):
        if one.trial.subset is not None:
            groups.setdefault(one.trial.subset, []).append(one)
    if len(groups) != experts or not (np.sum(list(groups), axis=0) == 1).all():
        return None
    apart = sum(
        min(_weighed(one.loss, np.where(mask, weight, 0.0)) for one in candidates)
        for mask, candidates in groups.items()
    )
    table = _matrix(choice.experts)
    joint = _weighed(table[np.asarray(choice.routing), np.arange(len(weight))], weight)
    return joint - apart


def _weighed(loss: Floats, weight: Floats) -> float:
    return float(np.where(weight > 0, loss, 0.0) @ weight)


def _same_cluster(
    bank: Bank,
    generalists: Sequence[Observation],
    clusters: NDArray[np.int64],
    labels: Tensor,
    weight: Floats,
    seed: int,
) -> float | None:
    """Return Spearman's correlation between two halves of one cluster, mean over the clusters.

    The most that `cluster_rank_correlation` could show on so few samples if all clusters
    ordered the architectures alike (as if each had half as many).
    """
    table = np.stack([_losses(bank, one, labels) for one in generalists])
    rng = generator(seed, "same-cluster")
    side = rng.permutation(len(clusters)) % 2
    count = len(weight)
    halves = [
        np.stack([by_cluster(row[side == part], clusters[side == part], count) for row in table])
        for part in range(2)
    ]
    found = []
    for cluster in np.flatnonzero(weight > 0):
        pair = [half[:, cluster] for half in halves]
        if all(np.isfinite(column).all() for column in pair):
            found.append(spearman(*pair))
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None
