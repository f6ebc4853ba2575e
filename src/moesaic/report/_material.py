"""Everything a report is made from, read once from a run directory; it judges nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank, Failure, Observation
from moesaic.config import SearchConfig
from moesaic.data import Dataset, Normaliser, open_dataset
from moesaic.errors import InputError, MoesaicError
from moesaic.mixture import Mixture
from moesaic.runs import RunFolder, open_run, trained_network
from moesaic.training import predict_logits

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """The data map: some validation samples in the plane.

    Attributes:
        samples: places in the validation split, (n,).
        points: coordinates, (n, 2).
        clusters: of the samples, (n,).
    """

    samples: NDArray[np.int64]
    points: NDArray[np.float64]
    clusters: NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """What the report is made from; None stands for what the run does not hold.

    Attributes:
        folder: the run's directory.
        config: its settings.
        result: what result.json holds.
        observations: of all finished trials, in the order they were planned.
        failures: all failed trials.
        fingerprint: of the data.
        dataset: training and validation splits.
        layout: the data map.
        clusters: of all validation samples, (N_val,).
        gate: the expert that the mixture's gate chose for them, (N_val,).
    """

    folder: RunFolder
    config: SearchConfig
    result: dict[str, Any]
    observations: list[Observation]
    failures: list[Failure]
    fingerprint: str | None
    dataset: Dataset | None
    layout: Layout | None
    clusters: NDArray[np.int64] | None
    gate: NDArray[np.int64] | None

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs of the rungs as they were trained; a budget may have shortened them."""
        return tuple(self.result.get("rungs") or self.config.rungs)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Shares (M,) of the clusters."""
        return np.asarray(self.result.get("structure", {}).get("shares") or [1.0], dtype=float)

    @property
    def routing(self) -> list[int]:
        """The expert that every cluster was given, (M,)."""
        return [int(expert) for expert in self.result.get("selection", {}).get("routing") or []]

    @property
    def experts(self) -> list[dict[str, Any]]:
        """The searched experts, (K,)."""
        return list(self.result.get("selection", {}).get("experts") or [])


def read_material(path: Path) -> Material:
    """Read a finished run.

    Raises:
        InputError: there is no run in `path`, or it is not finished.
    """
    run = open_run(path)
    result = run.result()
    if not isinstance(run.config, SearchConfig):
        raise InputError(f"{path} is a {run.config.kind}, expected a search")
    dataset = _dataset(run.folder)
    with run.bank() as bank:
        return Material(
            folder=run.folder,
            config=run.config,
            result=result,
            observations=bank.observations(),
            failures=bank.failures(),
            fingerprint=bank.meta("fingerprint"),
            dataset=dataset,
            layout=_layout(run.folder),
            clusters=_clusters(run.folder),
            gate=None if dataset is None else _gate(bank, result, dataset),
        )


def _dataset(folder: RunFolder) -> Dataset | None:
    try:
        return open_dataset(folder.data)
    except MoesaicError as error:
        _log.info("no example images: %s", error)
        return None


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, BadZipFile) as error:
        _log.info("%s is left out of the report: %s", path, error)
        return {}


def _layout(folder: RunFolder) -> Layout | None:
    found = _arrays(folder.structure / "map.npz")
    if not {"samples", "points", "clusters"} <= found.keys() or not len(found["samples"]):
        return None
    points = found["points"].astype(np.float64)
    return Layout(found["samples"].astype(np.int64), points, found["clusters"].astype(np.int64))


def _clusters(folder: RunFolder) -> NDArray[np.int64] | None:
    found = _arrays(folder.structure / "partition.npz").get("validation")
    return None if found is None else found.astype(np.int64)


def _gate(bank: Bank, result: dict[str, Any], dataset: Dataset) -> NDArray[np.int64] | None:
    """Ask the better trained mixture, first repeat, where it sends the validation samples."""
    name = (result.get("verdict") or {}).get("mixture", "mixture")
    rows = {"mixture": result.get("mixture"), **(result.get("baselines") or {})}
    trials = (rows.get(name) or {}).get("trials") or []
    if not trials or not trials[0]:
        return None
    try:
        trial = bank.trial(str(trials[0][0]))
        network = trained_network(bank, trial, dataset)
        if not isinstance(network, Mixture):
            return None
        normaliser = Normaliser.fit(dataset.train)
        logits = predict_logits(network.gate, dataset.validation.inputs, normaliser)
    except (MoesaicError, KeyError, RuntimeError, ValueError) as error:
        _log.info("the gate's own choices are left out of the report: %s", error)
        return None
    return logits.argmax(dim=1).numpy().astype(np.int64)
