"""What trainings measured, as a table to look them up in; it reads no file and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import BuildError, InputError
from moesaic.spaces import Architecture, ListedSpace, SearchSpace

# Below this share of right answers a logarithm would only tell apart how a network fails.
LEAST_ACCURACY = 1e-3


class Table:
    """Measured architectures, a row each. Immutable.

    Isomorphic encodings share a key and may have a row each, as repeated trainings do: an
    encoding is answered by its own row, one without a row by the first of its key.

    Attributes:
        architectures: N of them.
        loss: (N, M) nats.
        accuracy: (N, M) shares, NaN where only the loss is known.
        macs, parameters: (N,) counts, 0 where not known.
        seconds: (N,) of a training, 0 where not known.
    """

    def __init__(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        *,
        loss: ArrayLike | None = None,
        accuracy: ArrayLike | None = None,
        macs: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        seconds: ArrayLike | None = None,
    ) -> None:
        """Take what is known; a loss that is not given is -log(accuracy).

        Args:
            space: where the architectures come from.
            architectures: N of them, every encoding once.
            loss: (N, M) nats, finite.
            accuracy: (N, M) shares 0 .. 1.
            macs: (N,) multiply-accumulates of one sample.
            parameters: (N,).
            seconds: (N,) of a training.

        Raises:
            InputError: neither loss nor accuracy, an encoding twice, shapes that do not fit, or
                values that are no such measurements.
        """
        rows = len(architectures)
        shares = None if accuracy is None else _matrix("accuracy", accuracy, rows, most=1.0)
        if loss is not None:
            self.loss = _matrix("loss", loss, rows)
        elif shares is not None:
            self.loss = _matrix("loss", -np.log(np.maximum(shares, LEAST_ACCURACY)), rows)
        else:
            raise InputError("a table needs the loss or the accuracy of its rows: give one of them")
        self.accuracy = np.full(self.loss.shape, np.nan) if shares is None else shares
        if self.accuracy.shape != self.loss.shape:
            raise InputError(
                f"loss {self.loss.shape} and accuracy {self.accuracy.shape} do not fit: "
                "give both for the same clusters"
            )
        self.macs = _column("macs", macs, rows)
        self.parameters = _column("parameters", parameters, rows)
        self.seconds = _column("seconds", seconds, rows)
        self.architectures = tuple(architectures)
        self._space = space
        self._by_text: dict[str, int] = {}
        self._by_key: dict[str, int] = {}
        for row, one in enumerate(self.architectures):
            if one.text in self._by_text:
                raise InputError(
                    f"architecture {space.describe(one)} is in the table twice: keep one row"
                )
            self._by_text[one.text] = row
            self._by_key.setdefault(one.key, row)

    def __len__(self) -> int:
        return len(self.architectures)

    @property
    def clusters(self) -> int:
        """M, the number of clusters."""
        return int(self.loss.shape[1])

    @cached_property
    def space(self) -> ListedSpace:
        """What can be looked up, as a search space; dead cells, which nobody trains, left out."""
        alive = getattr(self._space, "is_alive", lambda one: True)
        return ListedSpace(self._space, [one for one in self.architectures if alive(one)])

    def row(self, architecture: Architecture) -> int | None:
        """Return the row that answers for an architecture, None where there is none."""
        found = self._by_text.get(architecture.text)
        return self._by_key.get(architecture.key) if found is None else found

    def measured(self, architecture: Architecture) -> dict[str, Any]:
        """Return what training it gave, in the words of a worker's answer; it kept no files.

        Raises:
            BuildError: the table does not hold it.
        """
        row = self.row(architecture)
        if row is None:
            raise BuildError(
                f"architecture {architecture.key} is not among the {len(self)} of the table: "
                "search the table's own space"
            )
        return {
            "loss": self.loss[row].tolist(),
            "accuracy": self.accuracy[row].tolist(),
            "macs": int(self.macs[row]),
            "parameters": int(self.parameters[row]),
            "seconds": float(self.seconds[row]),
            "peak_memory": 0,
            "extra": {},
            "predictions": None,
            "checkpoint": None,
        }

    def answer(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a trial gave, which is sent as `runs` sends it to a worker.

        Raises:
            BuildError: it is not the training of one architecture from scratch on all clusters,
                or the table does not hold the architecture.
        """
        subset = payload.get("subset")
        if payload.get("architecture") is None or payload.get("parent") is not None:
            raise BuildError("a table holds single experts that were trained from scratch only")
        if subset is not None and not all(subset):
            raise BuildError("a table holds experts that were trained on all clusters only")
        return self.measured(Architecture.from_dict(payload["architecture"]))


def _matrix(name: str, values: ArrayLike, rows: int, most: float = np.inf) -> NDArray[np.float64]:
    found = np.array(values, dtype=np.float64)
    if found.ndim != 2 or not found.size or len(found) != rows:
        raise InputError(
            f"{name} has shape {found.shape}: give ({rows} architectures, clusters), one or more"
        )
    wrong = np.argwhere(~(np.isfinite(found) & (found >= 0) & (found <= most)))
    if len(wrong):
        row, cluster = wrong[0]
        asked = "a number that is not negative" if most == np.inf else f"a number 0 .. {most:g}"
        raise InputError(
            f"{name} of row {row + 1}, cluster {cluster + 1} is {found[row, cluster]}: give {asked}"
        )
    found.flags.writeable = False
    return found


def _column(name: str, values: ArrayLike | None, rows: int) -> NDArray[np.float64]:
    if values is None:
        return np.zeros(rows)
    found = np.array(values, dtype=np.float64)
    if found.shape != (rows,) or not np.all(np.isfinite(found) & (found >= 0)):
        raise InputError(f"{name} has shape {found.shape}: give a number a row, not negative")
    found.flags.writeable = False
    return found
