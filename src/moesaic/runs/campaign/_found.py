"""All that the stages of a campaign found, before it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moesaic.bank import Observation
from moesaic.runs.campaign._candidates import Candidate
from moesaic.runs.campaign._forecast import Correction
from moesaic.runs.campaign._probe import Probed


@dataclass(frozen=True)
class Found:
    """What a campaign trained.

    Attributes:
        structure: the partition's quality.
        pool: names of the families.
        candidates: every mixture that was planned.
        singles: the families that were trained alone.
        best_single: the best of them by validation accuracy, None where none was trained.
        long: the same family trained K times as long.
        probes: what the families cost, by name.
        correction: of their forecasts.
    """

    structure: dict[str, Any]
    pool: tuple[str, ...]
    candidates: list[Candidate]
    singles: list[Observation]
    best_single: Observation | None
    long: Observation | None
    probes: Mapping[str, Probed]
    correction: Correction
