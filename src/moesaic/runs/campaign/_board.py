"""The best mixtures while a campaign runs, for whoever watches; it decides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Trial
from moesaic.runs._session import Session
from moesaic.runs.campaign._candidates import families_of

_SHOWN = 5


class Board:
    """Keeps the best few of the mixtures that ended in this process.

    Args:
        session: the run; its watcher is shown the board.
        shares: of the validation samples in every cluster, (M,).
    """

    def __init__(self, session: Session[Any], shares: NDArray[np.float64]) -> None:
        self._session = session
        self._shares = shares
        self._rows: list[tuple[str, float]] = []

    def show(self, trial: Trial) -> None:
        """Take a trial that ended into account."""
        bank = self._session.bank
        if trial.kind != "mixture" or bank.status(trial.key) != "done":
            return
        accuracy = float(np.nan_to_num(bank.observation(trial.key).accuracy) @ self._shares)
        self._rows.append((" + ".join(families_of(trial)), accuracy))
        self._rows = sorted(self._rows, key=lambda row: -row[1])[:_SHOWN]
        self._session.watcher.leaders(self._rows)
