"""Families of pytorchcv, adapted to small images: one network for each of its modules."""

from __future__ import annotations

import importlib
from functools import cache, partial

from torch import nn

from moesaic.errors import BuildError, InputError
from moesaic.spaces.families._logits import with_logits
from moesaic.spaces.families._optional import require
from moesaic.spaces.families._pytorchcv_table import ROWS, Row
from moesaic.spaces.families._registry import Family
from moesaic.spaces.families._words import in_one_line

_PACKAGE = "pytorchcv"
_TEN = 10


def names() -> tuple[str, ...]:
    """Return what may stand behind `pytorchcv/`.

    Raises:
        InputError: pytorchcv is not installed.
    """
    require(_PACKAGE, "zoo")
    return tuple(ROWS)


@cache
def find(name: str) -> Family | None:
    """Return the family of that module of pytorchcv, None when there is none.

    Raises:
        InputError: pytorchcv is not installed.
    """
    require(_PACKAGE, "zoo")
    if name not in ROWS:
        return None
    row = ROWS[name]
    return Family(
        name=f"{_PACKAGE}/{name}",
        build=partial(_build, name, row),
        provider=_PACKAGE,
        min_size=row.min_size,
        provenance=f"{row.constructor} of pytorchcv, {row.paper}",
    )


def _build(module: str, row: Row, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    name = f"{_PACKAGE}/{module}"
    try:
        constructor = getattr(
            importlib.import_module(f"pytorchcv.models.{module}"), row.constructor
        )
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the pytorchcv that is installed has no {module}.{row.constructor} ({error}): install "
            "one from 0.0.67 to 0.0.74"
        ) from error
    if len(input_shape) != 3:
        raise BuildError(f"family {name!r} takes images (C, H, W), got shape {tuple(input_shape)}")
    told = {} if row.ten else {"num_classes": classes}
    try:
        network: nn.Module = constructor(in_channels=input_shape[0], **told, **row.options)
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise BuildError(
            f"family {name!r} could not be built for images of shape {tuple(input_shape)}: "
            f"{in_one_line(error)}"
        ) from error
    if row.ten and classes != _TEN:
        head = network.get_submodule("output")
        if not isinstance(head, nn.Linear):
            raise BuildError(f"family {name!r} ends in {type(head).__name__}, expected a Linear")
        _put(network, "output", nn.Linear(head.in_features, classes))
    _pool_everything(network)
    if row.stem != "keep":
        _soften_stem(network, every=row.stem == "all")
    return with_logits(network, input_shape, classes, name)


def _pool_everything(network: nn.Module) -> None:
    """Let the last pool average over whatever size is left, where it was of a fixed size."""
    for path, module in list(network.named_modules()):
        last = path.endswith(("final_pool", "final_block.pool"))
        if last and isinstance(module, nn.AvgPool2d):
            _put(network, path, nn.AdaptiveAvgPool2d(1))


def _soften_stem(network: nn.Module, *, every: bool) -> None:
    """Keep small images from being shrunk in the first block: stride one, no pooling."""
    features = network.get_submodule("features")
    children = list(features.named_children())
    stem, block = children[0]
    dense = False
    for path, module in list(block.named_modules()):
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2) and (every or not dense):
            module.stride = (1, 1)
            dense = True
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            _put(features, f"{stem}.{path}" if path else stem, nn.Identity())
    if len(children) > 1 and isinstance(children[1][1], nn.MaxPool2d):
        _put(features, children[1][0], nn.Identity())


def _put(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, leaf = path.rpartition(".")
    setattr(network.get_submodule(parent), leaf, module)
