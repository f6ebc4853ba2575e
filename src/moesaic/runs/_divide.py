"""Into which groups of clusters the data are divided, for every number of experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.runs._context import load_context, load_partition, make_space
from moesaic.runs._evidence import brier
from moesaic.runs._session import SearchSession
from moesaic.runs._structure import load_centres
from moesaic.runs._variants import matched
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture
from moesaic.structure import ways_to_divide
from moesaic.training import count_macs

MOST_WAYS = 4  # to divide one group in two that are compared
_SHARE = 4  # a comparison of ways takes this part of a training's epochs


class Divisions:
    """The groups of clusters for 1, 2, 3, ... experts; each number divides a group of the last.

    Which group is divided, and how, is measured: there are the ways of `ways_to_divide`, of each a
    mixture is trained, from scratch and all with one seed, for a quarter of the epochs that the
    numbers are compared after, and the one of the least validation loss is taken, over the samples
    of the groups that any way divides: what trainings differ elsewhere is chance. Under a budget
    nothing is measured and the groups are those of Ward's criterion.

    Args:
        session: the run.
        architecture: of every expert.
        epochs: of the trainings that numbers of experts are compared by.
        labels: of the validation split, (N,).
    """

    def __init__(
        self,
        session: SearchSession,
        architecture: Architecture,
        epochs: int,
        labels: NDArray[np.int64],
    ) -> None:
        self._session = session
        self._architecture = architecture
        self._epochs = max(1, epochs // _SHARE)
        self._labels = labels
        self._path = str(session.folder.path)
        clusters = load_partition(self._path).count
        self._groups: dict[int, NDArray[np.int64]] = {1: np.zeros(clusters, dtype=np.int64)}
        self._compared: dict[int, list[dict[str, Any]]] = {}

    def of(self, experts: int) -> NDArray[np.int64]:
        """Return the group (M,) of every cluster for so many experts."""
        if experts not in self._groups:
            self._groups[experts] = self._divided(experts)
        return self._groups[experts]

    def divided(self, few: int, more: int) -> NDArray[np.bool_]:
        """Return the validation samples (N,) of those groups of `few` that `more` divide."""
        return self._samples_divided(self.of(few), [self.of(more)])

    def to_dict(self) -> dict[str, Any]:
        """Return the ways that were compared: `groups` and validation `loss` (None: it failed)."""
        return {str(count): ways for count, ways in sorted(self._compared.items())}

    def mixture(
        self,
        groups: NDArray[np.int64],
        epochs: int,
        stage: str,
        index: int,
        repeat: int | None = None,
    ) -> Trial:
        """Plan a mixture of copies, one for each group; one group is the network alone.

        Args:
            groups: the group (M,) of every cluster.
            epochs: of the training.
            stage: that it belongs to.
            index: in the stage.
            repeat: what its seed is drawn for, whatever the groups; the index when not given.
        """
        config, count = self._session.config, int(groups.max()) + 1
        payload: dict[str, Any] = {}
        if count > 1:
            payload = {
                "experts": [self._sized(count).to_dict()] * count,
                "routing": groups.tolist(),
                "taught": config.taught.to_dict(),
                "top_k": min(config.top_k, count),
            }
        return Trial(
            kind="expert" if count == 1 else "mixture",
            stage=stage,
            index=index,
            seed=derive_seed(config.seed, "how-many", index if repeat is None else repeat),
            architecture=self._sized(count) if count == 1 else None,
            recipe=config.recipe.for_epochs(epochs).to_dict(),
            payload=payload,
        )

    def _sized(self, count: int) -> Architecture:
        """Return an expert of so many, so dear that a sample costs the same whatever the number.

        As many as `top_k` experts run on a sample, where there are so many.
        """
        config = self._session.config
        active = min(config.top_k, count)
        if active == config.top_k:
            return self._architecture
        dataset = load_context(self._path).dataset
        space, shape, classes = make_space(config, dataset), dataset.input_shape, dataset.classes
        with torch.device("meta"):
            network = space.build(self._architecture, shape, len(classes))
        cost = config.top_k * count_macs(network, shape) / active
        return matched(space, self._architecture, round(cost), shape, len(classes))

    def _divided(self, experts: int) -> NDArray[np.int64]:
        session, bank = self._session, self._session.bank
        measured = bool(bank.trials(f"divide-{experts}"))
        trained = bank.trials(f"how-many-{experts}")
        if trained and not measured:  # whatever the settings say by now
            return np.asarray(trained[0].payload["routing"], dtype=np.int64)
        before = self.of(experts - 1)
        sizes = np.maximum(load_partition(self._path).sizes, 1)
        confusion = bank.meta("structure")["confusion"]
        ways = ways_to_divide(before, load_centres(self._path), sizes, confusion, MOST_WAYS)
        if len(ways) == 1 or (session.config.budget is not None and not measured):
            return ways[0]
        trials = [
            self.mixture(way, self._epochs, f"divide-{experts}", place, repeat=0)
            for place, way in enumerate(ways)
        ]
        title = f"how many experts: ways to divide into {experts}"
        found = session.perform(title, trials, some_must_succeed=False)
        seen = self._samples_divided(before, ways)
        losses = [self._loss(one, seen) for one in found]
        self._compared[experts] = [
            {"groups": way.tolist(), "loss": None if np.isinf(loss) else loss}
            for way, loss in zip(ways, losses, strict=True)
        ]
        return ways[int(np.argmin(losses))]

    def _samples_divided(
        self, before: NDArray[np.int64], ways: Sequence[NDArray[np.int64]]
    ) -> NDArray[np.bool_]:
        """Return the validation samples (N,) of the groups that any way divides."""
        clusters = [
            any(len(np.unique(way[before == group])) > 1 for way in ways) for group in before
        ]
        return np.array(clusters, dtype=bool)[load_partition(self._path).validation]

    def _loss(self, found: Observation | None, seen: NDArray[np.bool_]) -> float:
        """Return the loss of what some way divides, as its part of the loss of all samples."""
        if found is None:
            return np.inf
        predictions = self._session.bank.predictions(found.trial.key)
        return float(np.where(seen, brier(predictions, self._labels), 0.0).mean())
