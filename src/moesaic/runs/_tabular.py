"""A search against a table: the same loop and the same decisions, and nothing is trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.execution import Job, Table, TabularExecutor, one_thread
from moesaic.runs._ask_and_tell import Portions, ask_and_tell
from moesaic.runs._open import Run
from moesaic.runs._plan import to_observation, trial_to_dict
from moesaic.runs._work import run_trial
from moesaic.seeds import derive_seed
from moesaic.selection import Selection, select
from moesaic.spaces import SearchSpace
from moesaic.strategies import Strategy, get_strategy

LOWEST = "rung-0"


@dataclass(frozen=True)
class TabularRun:
    """What a search against a table paid for.

    Attributes:
        observations: in the order in which they were paid.
        failed: the trials that the table could not answer.
        weight: (M,) shares of the clusters.
        experts: K.
        strategy: as it was at the end.
    """

    observations: tuple[Observation, ...]
    failed: tuple[Trial, ...]
    weight: NDArray[np.float64]
    experts: int
    strategy: Strategy

    def selection(self, paid: int | None = None) -> Selection:
        """Return the best choice of K experts among the first trainings; rows are theirs.

        Args:
            paid: how many trainings, K or more where their number allows; all when not given.

        Raises:
            InputError: fewer than one, or more than were paid for.
        """
        count = len(self.observations) if paid is None else paid
        if not 1 <= count <= len(self.observations):
            raise InputError(
                f"the selection after {count} trainings was asked for: choose 1 to "
                f"{len(self.observations)}"
            )
        loss = np.stack([one.loss for one in self.observations[:count]])
        return select(loss, self.weight, min(self.experts, count))


@one_thread()
def tabular_search(
    table: Table,
    space: SearchSpace | None = None,
    strategy: str = "joint",
    experts: int = 2,
    trials: int = 100,
    seed: int = 0,
    batch: int | None = None,
    *,
    weight: ArrayLike | None = None,
    options: dict[str, Any] | None = None,
) -> TabularRun:
    """Search a table as `search` does its lowest rung; the same seed, the same proposals.

    Args:
        table: what trainings gave.
        space: where architectures come from, the table's own when not given; a trial that the
            table cannot answer fails.
        strategy: one of `moesaic.strategies.strategy_names()`.
        experts: K.
        trials: how many architectures to pay for.
        seed: the run's seed.
        batch: how many are proposed at once; the portions of `search` when not given.
        weight: (M,) cluster sizes, equal when not given.
        options: keyword arguments of the strategy.

    Raises:
        InputError: unknown strategy or options, or sizes that do not fit.
    """
    if trials < 1 or (batch is not None and batch < 1):
        raise InputError(f"trials is {trials} and batch {batch}: both must be at least 1")
    weights = np.ones(table.clusters) if weight is None else np.asarray(weight, dtype=np.float64)
    if weights.shape != (table.clusters,):
        raise InputError(
            f"weight has shape {weights.shape}: the table has {table.clusters} clusters"
        )
    asked = get_strategy(strategy, space or table.space, experts, weights, seed, **(options or {}))
    executor = TabularExecutor(table, instead_of=run_trial)
    failed: list[Trial] = []

    def perform(
        planned: Sequence[Trial], _proposals: object, _before: int
    ) -> list[Observation | None]:
        for trial in planned:
            executor.submit(Job(trial.key, run_trial, {"payload": trial_to_dict(trial)}))
        value = {outcome.key: outcome.value for outcome in executor.results()}
        failed.extend(trial for trial in planned if value[trial.key] is None)
        return [
            None if value[trial.key] is None else to_observation(trial, value[trial.key])
            for trial in planned
        ]

    portions = Portions.of(trials) if batch is None else Portions(batch, batch)
    with executor:
        observations = ask_and_tell(
            asked,
            trials,
            portions,
            lambda proposal, index: Trial(
                kind="expert",
                stage=LOWEST,
                index=index,
                seed=derive_seed(seed, LOWEST, index),
                architecture=proposal.architecture,
            ),
            perform,
        )
    return TabularRun(tuple(observations), tuple(failed), asked.weight, experts, asked)


def record_table(run: Run, path: str | Path, stage: str = LOWEST) -> list[str]:
    """Write what the trials of a stage measured as a table that `read_table` reads.

    Its columns are `architecture` (JSON), `loss-1` .. `loss-M`, `accuracy-1` .. `accuracy-M`,
    `macs`, `parameters` and `seconds`.

    Args:
        run: a search, finished or not.
        path: the CSV file, which must not be there.
        stage: whose trials: `rung-0`, the lowest rung, unless said otherwise.

    Returns:
        The columns of the losses, one a cluster.

    Raises:
        InputError: the stage has no finished expert, or the file is there already.
    """
    with run.bank() as bank:
        found = [one for one in bank.observations(stage, "expert") if one.trial.architecture]
    if not found:
        raise InputError(f"{run.folder.path} has no finished expert of stage '{stage}'")
    clusters = range(1, len(found[0].loss) + 1)
    losses = [f"loss-{cluster}" for cluster in clusters]
    accuracies = [f"accuracy-{cluster}" for cluster in clusters]
    path = Path(path)
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["architecture", *losses, *accuracies, "macs", "parameters", "seconds"])
            for one in found:
                writer.writerow(_row(one))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}): name a new file") from error
    return losses


def _row(one: Observation) -> list[Any]:
    architecture = one.trial.architecture
    text = "" if architecture is None else json.dumps(architecture.to_dict(), sort_keys=True)
    # repr gives back every bit of a float, so that a replay sees the very same numbers
    numbers = [repr(float(value)) for value in (*one.loss, *one.accuracy)]
    return [text, *numbers, one.macs, one.parameters, repr(float(one.seconds))]
