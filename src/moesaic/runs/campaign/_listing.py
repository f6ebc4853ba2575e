"""The families a person may choose from, with what each costs; it trains nothing."""

from __future__ import annotations

from typing import Any

import torch

from moesaic.config import CampaignConfig
from moesaic.errors import TrialError
from moesaic.runs.campaign._pool import load_plugins
from moesaic.spaces import build_architecture
from moesaic.spaces.families import family_architecture, family_names, get_family, read_pool
from moesaic.training import count_macs, count_parameters

_SHAPE = (3, 32, 32)
_CLASSES = 10


def describe_families(config: CampaignConfig, pool: bool = True) -> list[dict[str, Any]]:
    """Return name, provider, parameters, MACs at 32 x 32 x 3 for ten classes, least size.

    Args:
        config: names the pool and the plugins.
        pool: the families of the pool only, else every family that is registered.

    Raises:
        InputError: a plugin cannot be loaded, or a name is unknown.
    """
    load_plugins(config)
    names = read_pool(config.pool) if pool else family_names()
    return [_described(name) for name in names]


def _described(name: str) -> dict[str, Any]:
    found = get_family(name)
    shape = (_SHAPE[0], max(_SHAPE[1], found.min_size), max(_SHAPE[2], found.min_size))
    row: dict[str, Any] = {"name": name, "provider": found.provider, "params": 0, "macs": 0}
    try:
        with torch.device("meta"):
            network = build_architecture(family_architecture(name), shape, _CLASSES)
        row["params"] = count_parameters(network)
        row["macs"] = count_macs(network, shape)
    except (TrialError, RuntimeError, NotImplementedError) as error:
        row["error"] = " ".join(str(error).split())[:200]
    row["min_size"] = found.min_size
    row["provenance"] = found.provenance
    return row
