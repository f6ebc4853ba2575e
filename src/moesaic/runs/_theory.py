"""The theory of a run: what the published argument assumes, measured; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
            all trainings that a surrogate proposed, over the clusters, or of the mean over an
            expert's own where the surrogate foretells that alone (`sgem`); None where it proposed
            none.
        ascent_violations: rounds after which the best measured objective of the bank was worse,
            counted along `objective` and along the selection's own history.
        optimism: of the best objective: held-out less own loss of a choice made on one half;
            None where the validation split is too small to be halved.
        bound_violations: rounds in which the selection believed in measured more than
            2 * error_max worse than the incumbent; None where no surrogate foretold losses by
            cluster.
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
    steps = [one.step for one in rounds if one.step is not None]
    errors = [one.errors for one in rounds if len(one.errors)]
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
        "surrogate_error_max": max((float(one.max()) for one in errors), default=None),
        "surrogate_error_mean": float(np.concatenate(errors).mean()) if errors else None,
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


@dataclass(frozen=True)
class _Round:
    """A round of ask and tell, replayed.

    Attributes:
        asked: what was asked for and foretold.
        errors: |foretold - measured| in nats, of every proposal and cluster or, of a surrogate that
            foretells no more, of every proposal; empty where none was foretold.
        step: what was believed of the bank, and what it was; None without losses by cluster.
    """

    asked: Asked
    errors: Floats
    step: Step | None


def _rounds(bank: Bank, weight: Floats, experts: int) -> list[_Round]:
    """Replay every round of ask and tell."""
    known: list[Observation] = []
    found: list[_Round] = []
    for asked in read_asked(bank):
        done = [bank.observation(key) for key in asked.trials if bank.status(key) == "done"]
        done = _whole(done, weight)
        new = {one.trial.key: one for one in priced(done, asked.price)}
        pairs = [
            (told, new[key].loss)
            for key, told in zip(asked.trials, asked.predicted, strict=True)
            if told is not None and key in new
        ]
        step, errors = None, np.empty(0)
        if known and pairs:
            told, measured = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
            before = _matrix(priced(known, asked.price))
            step = surrogate_step(before, told, measured, weight, experts)
            errors = np.abs(told - measured)[:, weight > 0].ravel()
        elif not pairs:
            own = [
                abs(told - _own_loss(new[key], weight))
                for key, told in zip(asked.trials, asked.expected, strict=True)
                if told is not None and key in new
            ]
            # no cluster of weight among its own: nothing was measured of it
            errors = np.array([error for error in own if np.isfinite(error)], dtype=np.float64)
        found.append(_Round(asked, errors, step))
        known += done
    return found


def _own_loss(one: Observation, weight: Floats) -> float:
    """Return the mean loss in nats on the clusters that an expert was trained on."""
    own = weight * np.array(one.trial.subset or (True,) * len(weight))
    return _weighed(one.loss, own / own.sum()) if own.sum() > 0 else float("nan")


def _described(rounds: Sequence[_Round]) -> list[dict[str, Any]]:
    """Return the rounds as plain numbers, with the running sum of the largest errors."""
    total, found = 0.0, []
    for number, one in enumerate(rounds):
        row: dict[str, Any] = {
            "round": number,
            "asked": len(one.asked.trials),
            "predicted": one.asked.foretold,
        }
        if len(one.errors):
            largest = float(one.errors.max())
            total += largest
            row |= {
                "error_max": largest,
                "error_mean": float(one.errors.mean()),
                "error_sum": total,
            }
        if one.step is not None:
            row |= {
                **vars(one.step),
                "surrogate_optimism": one.step.achieved - one.step.believed,
                "breaks_bound": one.step.breaks_bound,
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
    """Return Spearman's correlation of one cluster with another like it, mean over the clusters.

    The most that `cluster_rank_correlation` could show on so few samples if all clusters ordered
    the architectures alike. It is taken between two halves of a cluster, r, and raised to what two
    wholes would show by the formula of Spearman and Brown (1910), 2 r / (1 + r).
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
    if not known:
        return None
    half = float(np.mean(known))
    return 2.0 * half / (1.0 + half) if half > 0 else half
