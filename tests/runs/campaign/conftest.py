"""A tiny pool of families and settings of a campaign over it that takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moesaic.spaces.families import _plugins, _registry, family_names

PLUGIN = Path(__file__).parent / "campaign_plugin.py"


@pytest.fixture(scope="module", autouse=True)
def own_families() -> Iterator[None]:
    """Forget at the end of the module which families its plugins registered."""
    family_names()  # the native ones are there before and after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
        patch.setattr(_plugins, "_LOADED", {})
        yield


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
