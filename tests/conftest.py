"""What all tests share: the families that a module's plugins register are forgotten at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moesaic.spaces.families import _plugins, _registry, family_names


@pytest.fixture(scope="module", autouse=True)
def own_families() -> Iterator[None]:
    """Give every module of tests a registry of its own, with the native families in it."""
    family_names()  # the native ones are there before and after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
        patch.setattr(_plugins, "_LOADED", {})
        yield
