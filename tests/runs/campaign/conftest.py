"""A tiny pool of families and settings of a campaign over it that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parent / "campaign_plugin.py"


@pytest.fixture
def small(spec: str) -> dict[str, Any]:
    return {
        "data": spec,
        "plugins": (str(PLUGIN),),
        "pool": "Tiny0,Tiny1,Tiny2,Tiny3,Tiny4",
        "experts": 2,
        "candidates": 6,
        "epochs": 1,
        "clusters": 2,
        "executor": "inprocess",
        "seed": 3,
    }
