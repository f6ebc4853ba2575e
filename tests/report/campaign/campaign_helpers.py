"""Designs drawn and planted for the tests of the analysis of campaigns."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from moesaic.report.campaign import Candidate

NAMES = tuple(f"f{place:02d}" for place in range(12))


def uniform(seed: int, count: int, experts: int = 3, names: tuple[str, ...] = NAMES):
    """Draw different candidates uniformly, by listing the whole space."""
    rng = np.random.default_rng(seed)
    every = list(combinations(names, experts))
    return [Candidate(every[place]) for place in rng.permutation(len(every))[:count]]


def alphabetical(count: int, experts: int = 3, names: tuple[str, ...] = NAMES):
    """Take the first candidates of a walk through the alphabet."""
    return [Candidate(row) for row in list(combinations(names, experts))[:count]]


def published() -> Path:
    """Return the table of 103 published quartets, or skip the test."""
    root = os.environ.get("MOESAIC_DATA")
    if not root:
        pytest.skip("MOESAIC_DATA is not set: the published quartets are not at hand")
    table = Path(root) / "lemur" / "moe4_results.csv"
    if not table.exists():
        pytest.skip(f"{table.name} is not under MOESAIC_DATA")
    return table
