"""The second stage of a search: architectures trained on all data, halved rung by rung."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.config import SearchConfig
from moesaic.errors import RunFailed
from moesaic.runs._ask_and_tell import ask_and_tell
from moesaic.runs._asked import record_asked
from moesaic.runs._clock import closed_by
from moesaic.runs._pace import GENERALISTS_SHARE, fit_rungs, portions, rungs_of
from moesaic.runs._price import guide_price, priced
from moesaic.runs._proxies import ClusterProxies
from moesaic.runs._session import SearchSession
from moesaic.runs._transfer import transferred
from moesaic.seeds import derive_seed
from moesaic.spaces import SearchSpace
from moesaic.strategies import Proposal, Strategy, get_strategy

_PRICES = (0.0, 4.0, 16.0)  # at which networks are promoted beside the price itself


def train_generalists(
    session: SearchSession,
    space: SearchSpace,
    weight: NDArray[np.float64],
    experts: int,
    gate: int = 0,
) -> tuple[list[Observation], NDArray[np.int64] | None]:
    """Sample, train and halve; every trial yields a loss vector over the clusters.

    What a strategy wants trained on a subset of the clusters goes on being trained on it.
    Where compute has a price the strategy is told losses with it, so that whatever it seeks is
    worth its cost.

    Args:
        session: the run.
        space: where architectures come from.
        weight: shares (M,) of the clusters.
        experts: K, what the strategy is told it searches for.
        gate: multiply-accumulates of the gate, which count in a limit.

    Returns:
        The observations of the highest rung, and the group (M,) of every cluster where the
        strategy finds groups itself.
    """
    config = session.config
    options = strategy_options(config)
    prior = transferred(session, space)
    if prior is not None:
        options["prior"] = prior
    if config.proxies:
        options["extra"] = ClusterProxies(session, space)
    strategy = get_strategy(config.strategy, space, experts, weight, config.seed, **options)
    lowest = _lowest_rung(session, strategy, weight, gate)
    fit_rungs(session, lowest, experts)
    rungs = rungs_of(session)
    price = guide_price(config, lowest, weight, experts, gate)
    rung = lowest
    for level in range(1, len(rungs)):
        keep = max(experts + 1, len(lowest) // config.eta**level)
        chosen = promote(rung, weight, keep, price)
        epochs = rungs[level] - rungs[level - 1]
        trials = [
            Trial(
                kind="expert",
                stage=f"rung-{level}",
                index=index,
                seed=derive_seed(config.seed, f"rung-{level}", index),
                architecture=observation.trial.architecture,
                subset=observation.trial.subset,
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
    return rung, strategy.groups()


def strategy_options(config: SearchConfig) -> dict[str, Any]:
    """Return what a strategy is told of the settings, so that its stages fit into the trials."""
    if config.masks:
        half = max(1, config.trials // 2)
        return {"masks": True, "initial": max(2, config.trials // 4), "explore": half}
    return {"initial": max(4, config.trials // 3)} if config.strategy == "sgem" else {}


def _lowest_rung(
    session: SearchSession, strategy: Strategy, weight: NDArray[np.float64], gate: int
) -> list[Observation]:
    """Ask, train and tell until the trials are used up or a quarter of the budget is."""
    config = session.config
    price: float | None = None
    rounds = count()

    def perform(
        trials: list[Trial], proposals: list[Proposal], planned: int
    ) -> list[Observation | None]:
        # before a training is paid for, so that what was predicted cannot know what it gave
        foretold = [proposal.predicted for proposal in proposals]
        alone = [proposal.expected for proposal in proposals]
        record_asked(session.bank, next(rounds), trials, foretold, price or 0.0, alone)
        title = f"architectures {planned + 1} to {planned + len(trials)}"
        # a later portion may be a single trial: without it the search knows less, and goes on
        return session.perform(title, trials, some_must_succeed=planned == 0)

    def judge(measured: list[Observation]) -> list[Observation]:
        nonlocal price
        if price is None:  # told once, so that all that is told compares
            price = guide_price(config, measured, weight, strategy.experts, gate)
        return priced(measured, price)

    def stop(planned: int) -> bool:
        return closed_by(session, "generalists_closed", planned, GENERALISTS_SHARE)

    return ask_and_tell(
        strategy,
        config.trials,
        portions(session),
        lambda proposal, index: _trial(session, proposal, index),
        perform,
        stop,
        judge,
    )


def _trial(session: SearchSession, proposal: Proposal, index: int) -> Trial:
    config = session.config
    return Trial(
        kind="expert",
        stage="rung-0",
        index=index,
        seed=derive_seed(config.seed, "rung-0", index),
        architecture=proposal.architecture,
        subset=proposal.subset,
        recipe=config.recipe.for_epochs(config.rungs[0]).to_dict(),
        parent=proposal.parent,
    )


def promote(
    observations: Sequence[Observation],
    weight: NDArray[np.float64],
    keep: int,
    price: float = 0.0,
) -> list[Observation]:
    """Return the `keep` observations worth a higher rung: every cluster's best, in turn.

    The list is filled with the best over all data, then each cluster's best, the second best, and
    so on, so that a specialist for a small cluster is not crowded out by generalists. Under a
    price the best over all data at none, at 4 and at 16 times of it join in: the front needs
    networks of every size, and small ones look worse after a short training than they are.

    Args:
        observations: of one rung.
        weight: shares (M,) of the clusters.
        keep: how many to promote.
        price: nats per multiply-accumulate.
    """
    loss = np.stack([observation.loss for observation in priced(observations, price)])
    loss = np.where(np.isnan(loss), np.inf, loss)
    finite = np.where(np.isfinite(loss), loss, 0.0)
    columns = [finite @ weight, *loss.T[np.argsort(-weight)]]
    if price > 0:
        paid = price * np.array([observation.macs for observation in observations])
        columns[1:1] = [columns[0] + (times - 1.0) * paid for times in _PRICES]
    orders = [np.argsort(column, kind="stable") for column in columns]
    chosen: list[int] = []
    for rank in range(len(observations)):
        for order in orders:
            candidate = int(order[rank])
            if candidate not in chosen and len(chosen) < keep:
                chosen.append(candidate)
    return [observations[position] for position in sorted(chosen)]
