"""The pool of a campaign and the plugins that bring families into it; it trains nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from moesaic.bank import Bank
from moesaic.config import CampaignConfig
from moesaic.errors import InputError
from moesaic.runs._session import Session
from moesaic.spaces.families import load_plugin, read_pool


def pool_of(config: CampaignConfig) -> tuple[str, ...]:
    """Return the names of the pool, plugins loaded first.

    Raises:
        InputError: a plugin cannot be loaded, a name is unknown, or there are too few.
    """
    load_plugins(config)
    pool = read_pool(config.pool)
    if len(pool) < config.experts:
        raise InputError(
            f"the pool has {len(pool)} families for mixtures of {config.experts}: "
            "name more with --pool or lower --experts"
        )
    return pool


def load_plugins(config: CampaignConfig) -> None:
    """Execute the files that the person named with --plugin.

    Raises:
        InputError: a file cannot be loaded.
    """
    for plugin in config.plugins:
        load_plugin(Path(plugin))


def check_plugins(session: Session[CampaignConfig]) -> None:
    """Refuse a plugin that is not the file the campaign began with, or that a run brings along.

    Raises:
        InputError: it changed, is gone, or lies in the directory of the run.
    """
    inside = session.folder.path.resolve()
    digests = {}
    for plugin in session.config.plugins:
        path = Path(plugin)
        if path.resolve().is_relative_to(inside):
            raise InputError(f"the plugin {path} lies in the run itself: keep it elsewhere")
        try:
            digests[plugin] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"cannot read the plugin {path}: {error.strerror}") from None
    remember(session.bank, "plugins", digests, "a plugin changed since the campaign began")


def remember(bank: Bank, name: str, value: Any, otherwise: str) -> None:
    """Keep what must not change between a start and a resume.

    Raises:
        InputError: it did change.
    """
    known = bank.meta(name)
    if known is None:
        bank.set_meta(name, value)
    elif known != value:
        raise InputError(f"{otherwise}: put it back, or start a new campaign")
