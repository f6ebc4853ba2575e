"""Families of timm: any of its models by name, with random weights; nothing is downloaded."""

from __future__ import annotations

import importlib
from functools import cache, partial
from types import ModuleType

from torch import nn

from moesaic.errors import BuildError
from moesaic.spaces.families._logits import with_logits
from moesaic.spaces.families._optional import import_torchvision, require
from moesaic.spaces.families._registry import Family
from moesaic.spaces.families._words import in_one_line


def names() -> tuple[str, ...]:
    """Return what may stand behind `timm/`.

    Raises:
        InputError: timm is not installed, or the torchvision beside it does not go with torch.
    """
    return tuple(_timm().list_models())


@cache
def find(name: str) -> Family | None:
    """Return the family of that model of timm, None when there is none.

    Raises:
        InputError: timm is not installed, or the torchvision beside it does not go with torch.
    """
    timm = _timm()
    if not timm.is_model(name):
        return None
    return Family(
        name=f"timm/{name}",
        build=partial(_build, name),
        provider="timm",
        min_size=1,
        provenance=f"{name} of timm {timm.__version__}",
    )


@cache
def _timm() -> ModuleType:
    require("timm", "zoo")
    import_torchvision()
    return importlib.import_module("timm")


def _build(name: str, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    if len(input_shape) != 3:
        raise BuildError(
            f"family 'timm/{name}' takes images (C, H, W), got shape {tuple(input_shape)}"
        )
    timm = _timm()
    channels, height, width = input_shape
    settings = timm.get_pretrained_cfg(name)
    # Networks whose size is part of their weights (vision transformers) have to be told it.
    sized = settings is not None and settings.fixed_input_size
    options = {"img_size": (height, width)} if sized else {}
    try:
        network: nn.Module = timm.create_model(
            name, pretrained=False, in_chans=channels, num_classes=classes, **options
        )
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise BuildError(
            f"family 'timm/{name}' could not be built for images of shape {tuple(input_shape)}: "
            f"{in_one_line(error)}"
        ) from error
    return with_logits(network, input_shape, classes, f"timm/{name}")
