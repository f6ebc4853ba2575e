"""The second stage of a search: architectures trained on all data, halved rung by rung."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.errors import RunFailed
from moesaic.runs._proxies import ClusterProxies
from moesaic.runs._session import SearchSession
from moesaic.runs._transfer import transferred
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, SearchSpace
from moesaic.strategies import Strategy, get_strategy


def train_generalists(
    session: SearchSession, space: SearchSpace, weight: NDArray[np.float64], experts: int
) -> list[Observation]:
    """Sample, train and halve; every trial yields a loss vector over the clusters.

    Args:
        session: the run.
        space: where architectures come from.
        weight: shares (M,) of the clusters.
        experts: K, what the strategy is told it searches for.

    Returns:
        The observations of the highest rung.
    """
    config = session.config
    prior = transferred(session, space)
    told: dict[str, Any] = {} if prior is None else {"prior": prior}
    if config.proxies:
        told["extra"] = ClusterProxies(session, space)
    strategy = get_strategy(config.strategy, space, experts, weight, config.seed, **told)
    lowest = _lowest_rung(session, strategy)
    rung = lowest
    for level in range(1, len(config.rungs)):
        keep = max(experts + 1, len(lowest) // config.eta**level)
        chosen = promote(rung, weight, keep)
        epochs = config.rungs[level] - config.rungs[level - 1]
        trials = [
            Trial(
                kind="expert",
                stage=f"rung-{level}",
                index=index,
                seed=derive_seed(config.seed, f"rung-{level}", index),
                architecture=observation.trial.architecture,
                recipe=config.recipe.for_epochs(epochs).to_dict(),
                parent=observation.trial.key,
            )
            for index, observation in enumerate(chosen)
        ]
        title = f"promoted to rung {level + 1}"
        finished = [found for found in session.perform(title, trials) if found is not None]
        if not finished:
            raise RunFailed(f"no trial of {title} succeeded")
        rung = finished
    return rung


def _lowest_rung(session: SearchSession, strategy: Strategy) -> list[Observation]:
    """Ask, train and tell until the trials are used up or half the budget is."""
    config = session.config
    observations: list[Observation] = []
    closed: int | None = session.bank.meta("generalists_closed")
    chunk = max(4, config.trials // 6)
    planned = 0
    first = max(2, config.trials // 2)
    while planned < (config.trials if closed is None else closed):
        size = first if planned == 0 else min(chunk, config.trials - planned)
        proposals = strategy.ask(size)
        if not proposals:
            break
        trials = [
            _trial(session, proposal.architecture, planned + offset)
            for offset, proposal in enumerate(proposals)
        ]
        found = session.perform(f"architectures {planned + 1} to {planned + len(trials)}", trials)
        observations += [observation for observation in found if observation is not None]
        strategy.tell([observation for observation in found if observation is not None])
        planned += len(proposals)
        if closed is None and session.out_of_time(0.35):
            # the machine's speed decided this: it is recorded, so that a resumed run agrees
            session.bank.set_meta("generalists_closed", planned)
            break
    return observations


def _trial(session: SearchSession, architecture: Architecture, index: int) -> Trial:
    config = session.config
    return Trial(
        kind="expert",
        stage="rung-0",
        index=index,
        seed=derive_seed(config.seed, "rung-0", index),
        architecture=architecture,
        recipe=config.recipe.for_epochs(config.rungs[0]).to_dict(),
    )


def promote(
    observations: Sequence[Observation], weight: NDArray[np.float64], keep: int
) -> list[Observation]:
    """Return the `keep` observations worth a higher rung: every cluster's best, in turn.

    The list is filled with the best over all data, then each cluster's best, the second best, and
    so on, so that a specialist for a small cluster is not crowded out by generalists.

    Args:
        observations: of one rung.
        weight: shares (M,) of the clusters.
        keep: how many to promote.
    """
    loss = np.stack([observation.loss for observation in observations])
    loss = np.where(np.isnan(loss), np.inf, loss)
    finite = np.where(np.isfinite(loss), loss, 0.0)
    columns = [finite @ weight, *loss.T[np.argsort(-weight)]]
    orders = [np.argsort(column, kind="stable") for column in columns]
    chosen: list[int] = []
    for rank in range(len(observations)):
        for order in orders:
            candidate = int(order[rank])
            if candidate not in chosen and len(chosen) < keep:
                chosen.append(candidate)
    return [observations[position] for position in sorted(chosen)]
