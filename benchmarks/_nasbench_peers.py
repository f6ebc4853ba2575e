"""Searches that play the game, ours and other tools through their own interfaces.

The tools are imported when they are asked for. Six categorical variables of five operations each
are what they are given, and the accuracies on all clusters: as their mean, as several objectives,
or as one study a cluster, each of which is told every training.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks._nasbench_game import EDGES, OPERATIONS, Game, Ledger
from moesaic.runs import tabular_search

Play = Callable[[Game, int, int], list[int]]
BATCH = 8
VARIABLES = tuple(f"edge{number}" for number in range(EDGES))
PLACES = tuple(range(len(OPERATIONS)))


def ours(strategy: str, batch: int = BATCH, **options: Any) -> Play:
    """Return a search of ours over the table, so many trainings at once."""

    def play(game: Game, trials: int, seed: int) -> list[int]:
        found = tabular_search(
            game.table,
            None,
            strategy,
            game.clusters,
            trials,
            seed,
            batch,
            options=options,
        )
        rows = (game.table.row(one.trial.architecture) for one in found.observations)
        return [row for row in rows if row is not None]

    return play


def optuna(sampler: str, formulation: str) -> Play:
    """Return a search by Optuna.

    Args:
        sampler: `tpe` (multivariate) or `gp`.
        formulation: `mean` of the clusters, `several` objectives, or a study for `each`.
    """

    def play(game: Game, trials: int, seed: int) -> list[int]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        ledger = Ledger(game, trials)
        categories = {
            name: optuna.distributions.CategoricalDistribution(OPERATIONS) for name in VARIABLES
        }

        def study(number: int) -> Any:
            made = (
                optuna.samplers.TPESampler(seed=seed + 1000 * number, multivariate=True)
                if sampler == "tpe"
                else optuna.samplers.GPSampler(
                    seed=seed + 1000 * number, deterministic_objective=False
                )
            )
            many = game.clusters if formulation == "several" else 1
            return optuna.create_study(sampler=made, directions=["maximize"] * many)

        def values(accuracy: Any, number: int) -> list[float]:
            if formulation == "several":
                return [float(value) for value in accuracy]
            return [float(accuracy[number] if formulation == "each" else accuracy.mean())]

        studies = [study(number) for number in range(game.clusters if formulation == "each" else 1)]
        turn = 0
        while ledger.open:
            asking = turn % len(studies)
            trial = studies[asking].ask(categories)
            chosen = [OPERATIONS.index(trial.params[name]) for name in VARIABLES]
            accuracy = ledger.pay(chosen)
            studies[asking].tell(trial, values(accuracy, asking))
            for other, rest in enumerate(studies):
                if other != asking:
                    rest.add_trial(
                        optuna.trial.create_trial(
                            params=trial.params,
                            distributions=categories,
                            values=values(accuracy, other),
                        )
                    )
            turn += 1
        return ledger.rows

    return play


def smac() -> Play:
    """Return a search by SMAC3: a random forest, told the mean over clusters."""

    def play(game: Game, trials: int, seed: int) -> list[int]:
        from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace
        from smac import HyperparameterOptimizationFacade, Scenario
        from smac.runhistory.dataclasses import TrialValue

        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        ledger = Ledger(game, trials)
        space = ConfigurationSpace(seed=seed)
        space.add([CategoricalHyperparameter(name, OPERATIONS) for name in VARIABLES])
        with tempfile.TemporaryDirectory() as folder:
            scenario = Scenario(
                space,
                deterministic=True,
                n_trials=10 * trials,
                seed=seed,
                output_directory=Path(folder),
            )
            facade = HyperparameterOptimizationFacade(
                scenario,
                lambda config, seed=0: 0.0,
                # its own default looks at n_trials, which repeats make larger here
                initial_design=HyperparameterOptimizationFacade.get_initial_design(
                    scenario, n_configs=min(24, max(2, trials // 4))
                ),
                logging_level=logging.ERROR,
                overwrite=True,
            )
            while ledger.open:
                try:
                    info = facade.ask()
                except StopIteration:
                    break
                chosen = [OPERATIONS.index(info.config[name]) for name in VARIABLES]
                cost = 100.0 - float(ledger.pay(chosen).mean())
                facade.tell(info, TrialValue(cost=cost), save=False)
        return ledger.rows

    return play


def neps() -> Play:
    """Return a search by NePS: Bayesian optimisation, told the mean over clusters."""

    def play(game: Game, trials: int, seed: int) -> list[int]:
        import random

        import neps
        import numpy as np
        import torch

        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        random.seed(seed)
        np.random.seed(seed)  # it draws from the global generators
        torch.manual_seed(seed)
        ledger = Ledger(game, trials)
        space = neps.SearchSpace({name: neps.HPOCategorical(OPERATIONS) for name in VARIABLES})
        asked = neps.AskAndTell(neps.algorithms.bayesian_optimization(space))
        while ledger.open:
            trial = asked.ask()
            chosen = [OPERATIONS.index(trial.config[name]) for name in VARIABLES]
            asked.tell(trial.metadata.id, 100.0 - float(ledger.pay(chosen).mean()))
        return ledger.rows

    return play


def syne_tune(scheduler: str) -> Play:
    """Return a search by Syne Tune, told the mean over clusters.

    Args:
        scheduler: name of one of its baselines, such as `TPE`, `BORE` or `REA`.
    """

    def play(game: Game, trials: int, seed: int) -> list[int]:
        from syne_tune.config_space import choice
        from syne_tune.optimizer import baselines
        from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        ledger = Ledger(game, trials)
        space = {name: choice(list(OPERATIONS)) for name in VARIABLES}
        made = getattr(baselines, scheduler)(
            space, metric="accuracy", do_minimize=False, random_seed=seed
        )
        asked = AskTellScheduler(base_scheduler=made)
        while ledger.open:
            trial = asked.ask()
            chosen = [OPERATIONS.index(trial.config[name]) for name in VARIABLES]
            asked.tell(trial, {"accuracy": float(ledger.pay(chosen).mean())})
        return ledger.rows

    return play


OURS = ("joint", "decomposed", "decomposed-gp")
PEERS: dict[str, tuple[str | None, Play]] = {
    "joint": (None, ours("joint")),
    "decomposed": (None, ours("decomposed")),
    "decomposed-gp": (None, ours("decomposed", surrogate="gaussian_process")),
    "random": (None, ours("random")),
    "evolution": (None, ours("evolution", 1)),
    "optuna-tpe": ("optuna", optuna("tpe", "mean")),
    "optuna-tpe-several": ("optuna", optuna("tpe", "several")),
    "optuna-tpe-each": ("optuna", optuna("tpe", "each")),
    "optuna-gp": ("optuna", optuna("gp", "mean")),
    "optuna-gp-several": ("optuna", optuna("gp", "several")),
    "optuna-gp-each": ("optuna", optuna("gp", "each")),
    "smac": ("smac", smac()),
    "neps": ("neps", neps()),
    "syne-tune-tpe": ("syne_tune", syne_tune("TPE")),
    "syne-tune-rea": ("syne_tune", syne_tune("REA")),
    "syne-tune-bore": ("syne_tune", syne_tune("BORE")),
}
SLOW = ("neps", "syne-tune-bore")  # minutes of CPU a seed
PACKAGES = {"neps": "neural-pipeline-search", "syne_tune": "syne-tune"}


def installed(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the peers that can play, and of the others why not."""
    missing = {}
    for name in names:
        module = PEERS[name][0]
        if module is not None and find_spec(module) is None:
            package = PACKAGES.get(module, module)
            missing[name] = f"{package} is not installed: pip install 'moesaic[bench]'"
    return [name for name in names if name not in missing], missing
