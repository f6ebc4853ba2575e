"""Trains and measures single experts of the toy benchmark and counts them; it chooses nothing."""

from __future__ import annotations

import math
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks._toy_data import World, make_world
from moesaic.bank import Observation, Trial
from moesaic.config import Recipe
from moesaic.errors import MoesaicError
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, build_architecture
from moesaic.training import (
    count_macs,
    count_parameters,
    cross_entropy_objective,
    fit,
    measure,
    sample_losses,
)

RECIPE = Recipe(epochs=20, batch_size=128, lr=0.02)
CLASSES = 4


@dataclass(frozen=True)
class Trained:
    """An observation and, of every validation sample, the expert's answer and its loss in nats."""

    observation: Observation
    answers: NDArray[np.int64]
    losses: NDArray[np.float64]


class Trainer:
    """Trains experts of one world, in worker processes when it is given them, counting each."""

    def __init__(self, variant: str, seed: int, world: World, pool: Executor | None) -> None:
        self._variant, self._seed, self._world, self._pool = variant, seed, world, pool
        self.trainings = 0

    def train(
        self,
        stage: str,
        wanted: list[tuple[Architecture, tuple[bool, ...] | None]],
        steps: int | None = None,
    ) -> list[Trained | None]:
        """Train every pair of architecture and subset; None for one that failed, counted too.

        With `steps` as many epochs as make so many steps, so that few samples are seen more often.
        """
        trials = []
        for architecture, subset in wanted:
            index = self.trainings
            self.trainings += 1
            seed = derive_seed(self._seed, f"toy/{stage}", index)
            recipe = RECIPE if steps is None else self._recipe(subset, steps)
            trials.append(
                Trial("expert", stage, index, seed, architecture, subset, recipe.to_dict())
            )
        if self._pool is None:
            return [train_one(self._world, trial) for trial in trials]
        waiting = [
            self._pool.submit(_in_worker, self._variant, self._seed, trial) for trial in trials
        ]
        return [one.result() for one in waiting]

    def _recipe(self, subset: tuple[bool, ...] | None, steps: int) -> Recipe:
        share = 1.0 if subset is None else float(self._world.weight[list(subset)].sum())
        epoch = max(1, math.ceil(share * len(self._world.train) / RECIPE.batch_size))
        return RECIPE.for_epochs(max(1, steps // epoch))


def workers(count: int) -> ProcessPoolExecutor:
    """Return worker processes of one thread each."""
    return ProcessPoolExecutor(
        count,
        mp_context=get_context("forkserver"),
        initializer=torch.set_num_threads,
        initargs=(1,),
    )


_worlds: dict[tuple[str, int], World] = {}


def _in_worker(variant: str, seed: int, trial: Trial) -> Trained | None:
    if (variant, seed) not in _worlds:
        _worlds.clear()
        _worlds[variant, seed] = make_world(variant, seed)
    return train_one(_worlds[variant, seed], trial)


def train_one(world: World, trial: Trial) -> Trained | None:
    """Train one expert and measure it on every cluster; None where that fails."""
    if trial.architecture is None:
        return None
    split = world.train
    if trial.subset is not None:
        wanted = np.array(trial.subset)[world.train_clusters]
        split = split.take(torch.from_numpy(np.flatnonzero(wanted)))
    recipe = Recipe(**trial.recipe)
    torch.manual_seed(trial.seed)
    try:
        network: nn.Module = build_architecture(trial.architecture, (2,), CLASSES)
        objective = cross_entropy_objective(network, recipe, seed=trial.seed)
        log = fit(network, objective, split, world.normaliser, recipe, seed=trial.seed)
        clusters = world.validation_clusters
        found = measure(network, world.validation, world.normaliser, clusters, len(world.weight))
        accuracy = found.accuracy.copy()
        if trial.subset is not None:
            # the training points of a cluster it was not trained on are as unseen as the others
            unseen = ~np.array(trial.subset)
            on_train = measure(
                network, world.train, world.normaliser, world.train_clusters, len(world.weight)
            )
            accuracy[unseen] = on_train.accuracy[unseen]
    except MoesaicError:
        return None
    observation = Observation(
        trial,
        found.loss,
        accuracy,
        macs=count_macs(network, (2,)),
        parameters=count_parameters(network),
        seconds=log.seconds,
    )
    losses = sample_losses(found.predictions, world.validation.labels)
    return Trained(observation, found.predictions.argmax(axis=1), losses)
