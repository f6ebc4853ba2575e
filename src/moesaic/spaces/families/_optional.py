"""Importing optional packages: which extra brings one that is missing, and torchvision's trap."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

import torch

from moesaic.errors import InputError
from moesaic.spaces.families._words import in_one_line

# Kept alive: an operator is forgotten together with the library that declared it.
_DECLARED: list[torch.library.Library] = []
_OPERATORS = ("nms", "qnms")


def require(package: str, extra: str) -> None:
    """Check that a package is installed without importing it.

    Raises:
        InputError: it is not; the message names the extra of moesaic that installs it.
    """
    if importlib.util.find_spec(package) is None:
        raise missing(package, extra)


def missing(package: str, extra: str) -> InputError:
    """Return the error for an optional package that is not installed."""
    return InputError(
        f"the package {package} is not installed: pip install 'moesaic[{extra}]' brings it"
    )


def import_torchvision() -> ModuleType:
    """Return torchvision, also where its operators were compiled for another torch.

    Such a torchvision fails on import because it describes two operators that its library did not
    declare. The networks in it do not use them: they are declared here, without a kernel.

    Raises:
        InputError: torchvision is not installed, or fails all the same.
    """
    require("torchvision", "zoo")
    try:
        return importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError) as error:
        if "torchvision::" not in str(error):
            raise _unfit(error) from error
    _declare()
    try:
        return importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError) as error:
        raise _unfit(error) from error


def _declare() -> None:
    if _DECLARED:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    _DECLARED.append(library)


def _unfit(error: Exception) -> InputError:
    return InputError(
        f"torchvision does not go with torch {torch.__version__} ({in_one_line(error)}): install "
        "the torchvision that was built for it"
    )
