"""What all tests share: one thread, and an own registry of families for every module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moesaic.execution import one_thread
from moesaic.spaces.families import _plugins, _registry, family_names


@pytest.fixture(scope="session", autouse=True)
def one_thread_each() -> Iterator[None]:
    """Compute with one thread, as runs do."""
    with one_thread():
        yield


@pytest.fixture(scope="module", autouse=True)
def own_families() -> Iterator[None]:
    """Give every module of tests a registry of its own, with the native families in it."""
    family_names()  # the native ones are there before and after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
        patch.setattr(_plugins, "_LOADED", {})
        yield
