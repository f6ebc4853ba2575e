"""Families of LEMUR (nn-dataset): its own files as modules; each is executed only when built."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import re
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from moesaic.errors import BuildError, InputError, MoesaicError
from moesaic.spaces.families._logits import with_logits
from moesaic.spaces.families._optional import import_torchvision, missing
from moesaic.spaces.families._registry import Family
from moesaic.spaces.families._words import in_one_line

ENVIRONMENT = "MOESAIC_LEMUR"
_DISTRIBUTION = "nn-dataset"
_INSIDE = Path("ab", "nn", "nn")
# Variants that a program wrote: NAME-<hash>, and numbered or hashed ones under a prefix.
_GENERATED = re.compile(r"[0-9a-f]{32}$|-[0-9a-f]{8}-[0-9a-f-]{27}$|^[a-z_]")
# What a network that fetches weights or tokenizers when it is built has in its text.
_FETCHES = (
    *("from_pretrained(", "load_state_dict_from_url", "hf_hub_download", "torch.hub"),
    *("Weights.DEFAULT", "Weights.IMAGENET1K", "pretrained=True"),
)
# LEMUR's hyperparameters are drawn from 0 to 1; these are usual values, `_OTHER` for the rest.
_HYPERPARAMETERS: dict[str, float] = {
    "lr": 0.01,
    "momentum": 0.9,
    "dropout": 0.2,
    "dropout_aux": 0.2,
    "attention_dropout": 0.1,
    "stochastic_depth_prob": 0.1,
    "norm_eps": 1e-5,
    "norm_momentum": 0.1,
    "norm_std": 0.02,
    "patch_size": 0.25,
    "pretrained": 0.0,
    "weight_decay": 0.0,
}
_OTHER = 0.5


def names() -> tuple[str, ...]:
    """Return what people wrote for LEMUR and needs no download; variants can be asked for, too.

    Raises:
        InputError: there is no LEMUR: neither the package nor a folder in MOESAIC_LEMUR.
    """
    written = (path for path in _folder().glob("*.py") if not _GENERATED.search(path.stem))
    return tuple(sorted(path.stem for path in written if _fetched(_text(path)) is None))


def find(name: str) -> Family | None:
    """Return the family whose network is in that file of LEMUR, None when there is no such file.

    Raises:
        InputError: there is no LEMUR: neither the package nor a folder in MOESAIC_LEMUR.
    """
    path = _folder() / f"{name}.py"
    if path.name != f"{name}.py" or name.startswith("_") or not path.is_file():
        return None
    return Family(
        name=f"lemur/{name}",
        build=partial(_build, name, path),
        provider="lemur",
        min_size=1,
        provenance=f"{path.name} of LEMUR, {_DISTRIBUTION}",
    )


def _folder() -> Path:
    named = os.environ.get(ENVIRONMENT)
    if named:
        for folder in (Path(named) / _INSIDE, Path(named)):
            if any(folder.glob("*.py")):
                return folder.resolve()
        raise InputError(
            f"{ENVIRONMENT} is {named!r}, which holds no networks: set it to an unpacked "
            f"{_DISTRIBUTION} or its folder {_INSIDE.as_posix()}"
        )
    try:
        found = importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError(
            f"{missing(_DISTRIBUTION, 'lemur')}, or set {ENVIRONMENT} to where it was unpacked"
        ) from error
    folder = Path(str(found.locate_file(str(_INSIDE))))
    if not folder.is_dir():
        raise InputError(
            f"{_DISTRIBUTION} {found.version} has no networks in {_INSIDE.as_posix()}: "
            "install 2.1.2"
        )
    return folder


def _build(name: str, path: Path, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    if len(input_shape) != 3:
        raise BuildError(
            f"family 'lemur/{name}' takes images (C, H, W), got shape {tuple(input_shape)}"
        )
    try:
        with redirect_stdout(sys.stderr):  # some of them say how large they are
            module = _load(name, path)
            settings = _settings(module)
            network = module.Net((1, *input_shape), (classes,), settings, torch.device("cpu"))
    except (MoesaicError, MemoryError):
        raise
    except Exception as error:
        raise _failed(name, "could not be built", error) from error
    if not isinstance(network, nn.Module):
        raise BuildError(f"family 'lemur/{name}' built a {type(network).__name__}, not a module")
    return with_logits(network, input_shape, classes, f"lemur/{name}")


def _settings(module: ModuleType) -> dict[str, Any]:
    """Return a value for every hyperparameter that the file asks for."""
    asked = getattr(module, "supported_hyperparameters", None)
    wanted = set(asked()) if asked is not None else set()
    return _HYPERPARAMETERS | dict.fromkeys(wanted - set(_HYPERPARAMETERS), _OTHER)


def _load(name: str, path: Path) -> ModuleType:
    """Return the file as a module under a name of its own, so that no two files share a class."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    private = f"_moesaic_lemur_{digest}"
    if private in sys.modules:
        return sys.modules[private]
    text = _text(path)
    fetched = _fetched(text)
    if fetched is not None:
        raise BuildError(
            f"family 'lemur/{name}' fetches weights from the network ({fetched.rstrip('(')}), "
            "which moesaic does not do"
        )
    if "torchvision" in text:
        import_torchvision()
    spec = importlib.util.spec_from_file_location(private, path)
    if spec is None or spec.loader is None:
        raise BuildError(f"family 'lemur/{name}': {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module
    try:
        spec.loader.exec_module(module)
        if not inspect.isclass(getattr(module, "Net", None)):
            raise BuildError(f"family 'lemur/{name}': {path.name} defines no class Net")
    except (BuildError, MemoryError):
        del sys.modules[private]
        raise
    except Exception as error:
        del sys.modules[private]
        raise _failed(name, "could not be imported", error) from error
    return module


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _fetched(text: str) -> str | None:
    return next((mark for mark in _FETCHES if mark in text), None)


def _failed(name: str, what: str, error: Exception) -> BuildError:
    return BuildError(f"family 'lemur/{name}' {what}: {in_one_line(error)}")
