"""The model a person takes away: raw samples in, logits out, saved so that it can be trusted."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from moesaic.bank import write_atomic
from moesaic.config import Moe4
from moesaic.data import Normaliser
from moesaic.errors import InputError, MoesaicError
from moesaic.mixture._cascade import Cascade
from moesaic.mixture._gate import build_gate, describe_gate
from moesaic.mixture._mixture import Mixture
from moesaic.spaces import Architecture, build_architecture

_DESCRIPTION = "model.json"
_WEIGHTS = "model.safetensors"
EXPORTED = "model.pt2"
_FORMAT = 1
_CASCADE_FORMAT = 2  # what read format 1 alone must refuse a cascade
_STAGE = ("experts", "top_k", "gate", "moe4", "gate_size")
# whatever a description or weights that somebody changed can lead to
_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
    MoesaicError,
)


class Deployed(nn.Module):
    """A network with its normalisation: raw samples (B, ...) in, logits (B, classes) out.

    Images are uint8 (B, C, H, W), vectors float32 (B, D), of the size it was trained on; anything
    else is an `InputError`.
    """

    def __init__(self, normaliser: Normaliser, network: nn.Module, info: dict[str, Any]) -> None:
        super().__init__()
        self.normaliser = normaliser
        self.network = network
        self.info = info

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return tuple(self.info["classes"])

    @property
    def stages(self) -> int:
        """Number of models that are asked in turn: 1, unless it is a cascade."""
        return len(self.network.stages) if isinstance(self.network, Cascade) else 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image or (D,) of a vector."""
        return tuple(self.info["input_shape"])

    def forward(self, inputs: Tensor) -> Tensor:
        """Map raw samples to logits (B, classes)."""
        logits: Tensor = self.network(self.normaliser(self._checked(inputs)))
        return logits

    def route(self, inputs: Tensor) -> Tensor:
        """Return the experts' weights (B, K) on raw samples; (B, 1) of ones without a gate.

        Of a cascade these are the stages at which the samples stop, (B, S), one-hot.
        """
        inputs = self._checked(inputs)
        if isinstance(self.network, Mixture | Cascade):
            return self.network.route(self.normaliser(inputs))
        return torch.ones(inputs.shape[0], 1, device=inputs.device)

    def _checked(self, inputs: Tensor) -> Tensor:
        """Return raw samples as they are, unless they are none: other ones get wrong answers.

        Raises:
            InputError: another type or shape than the model was trained on.
        """
        if torch.compiler.is_compiling():
            return inputs
        shape = self.input_shape
        kind, dtype = ("images", torch.uint8) if len(shape) == 3 else ("vectors", torch.float32)
        if inputs.dtype != dtype or tuple(inputs.shape[1:]) != shape:
            wanted, given = (str(one).removeprefix("torch.") for one in (dtype, inputs.dtype))
            raise InputError(
                f"the model takes {kind} of {wanted} in shape (B, {', '.join(map(str, shape))}), "
                f"given {given} in {tuple(inputs.shape)}"
            )
        return inputs


def build_network(
    experts: Sequence[Architecture],
    input_shape: tuple[int, ...],
    classes: int,
    *,
    top_k: int = 1,
    gate: str = "default",
    moe4: Moe4 | None = None,
    gate_size: float = 1.0,
) -> nn.Module:
    """Build an untrained network: a mixture, or a plain network for a single architecture.

    Args:
        experts: one architecture an expert.
        input_shape: (C, H, W) or (D,).
        classes: number of classes.
        top_k: how many experts run on each sample.
        gate: `default` or `moe4`.
        moe4: settings of the gate `moe4`; the published ones when not given.
        gate_size: factor on the channels of the default gate.

    Raises:
        InputError: no such gate, or top_k is not 1 to the number of experts.
    """
    networks = [build_architecture(expert, input_shape, classes) for expert in experts]
    if len(networks) == 1:
        return networks[0]
    chooser = build_gate(input_shape, len(networks), gate, moe4, gate_size)
    return Mixture(networks, chooser, classes, top_k)


def save_model(
    folder: Path,
    network: nn.Module,
    normaliser: Normaliser,
    *,
    experts: Sequence[Architecture],
    input_shape: tuple[int, ...],
    classes: Sequence[str],
    top_k: int = 1,
    extra: dict[str, Any] | None = None,
) -> Deployed:
    """Write a trained model to `folder`: description, weights, and an exported program.

    `model.pt2` runs with torch alone; `load_model` reads the other two, which are not pickles. The
    description comes last, so that a folder with one holds a whole model. A network that torch
    cannot export (its `forward` decides by the values it is given) has no `model.pt2`: `info` then
    says why as `not_exported`.

    Returns:
        The model as it was saved, on the CPU, in evaluation mode; it shares `network`.

    Raises:
        RunFailed: the disk is full.
    """
    info = describe_model(network, experts, input_shape, classes, top_k)
    return _write(folder, Deployed(normaliser, network, {**info, **(extra or {})}))


def describe_model(
    network: nn.Module,
    experts: Sequence[Architecture],
    input_shape: tuple[int, ...],
    classes: Sequence[str],
    top_k: int = 1,
) -> dict[str, Any]:
    """Return what `load_model` must know to build a network anew: `Deployed.info`, JSON-able.

    Args:
        network: as all other arguments, of `save_model`.
        experts: see there.
        input_shape: see there.
        classes: see there.
        top_k: see there.
    """
    return {
        "format": _FORMAT,
        "experts": [expert.to_dict() for expert in experts],
        "input_shape": list(input_shape),
        "classes": list(classes),
        "top_k": top_k,
        **(describe_gate(network.gate) if isinstance(network, Mixture) else {}),
    }


def save_cascade(
    folder: Path,
    stages: Sequence[Deployed],
    thresholds: Sequence[Sequence[float]],
    extra: dict[str, Any] | None = None,
) -> Deployed:
    """Write a cascade of models that were saved by runs on the same data, as `save_model` does.

    Args:
        folder: of the model.
        stages: S models, the cheapest first; the normalisation is that of the first.
        thresholds: (R, S - 1), as `Cascade` takes them.
        extra: what the description says of it beside.

    Raises:
        InputError: thresholds that do not fit.
        RunFailed: the disk is full.
    """
    first = stages[0].info
    info = {
        "format": _CASCADE_FORMAT,
        "stages": [{name: one.info[name] for name in _STAGE if name in one.info} for one in stages],
        "thresholds": [[float(value) for value in row] for row in thresholds],
        "input_shape": first["input_shape"],
        "classes": first["classes"],
        **(extra or {}),
    }
    cascade = Cascade([one.network for one in stages], torch.tensor(info["thresholds"]))
    return _write(folder, Deployed(stages[0].normaliser, cascade, info))


def _write(folder: Path, model: Deployed) -> Deployed:
    """Write the files of a model and return it on the CPU, in evaluation mode."""
    model = model.cpu().eval()
    # the layout decides how sums are rounded: the model handed back and the one read are bit-equal
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    weights = save({name: value.contiguous() for name, value in model.state_dict().items()})
    folder.mkdir(parents=True, exist_ok=True)
    try:
        export_model(model, folder / EXPORTED)
    except MoesaicError:
        raise
    except Exception as error:  # noqa: BLE001 - tracing runs the network's own code: anything comes
        (folder / EXPORTED).unlink(missing_ok=True)  # of another model
        why = (str(error).strip().splitlines() or [""])[0]
        model.info["not_exported"] = f"{type(error).__name__}: {why}"[:300]
    write_atomic(folder / _WEIGHTS, lambda file: file.write(weights))
    text = json.dumps(model.info, indent=1).encode()
    write_atomic(folder / _DESCRIPTION, lambda file: file.write(text))
    return model


def export_model(model: Deployed, path: Path) -> None:
    """Write the model as a torch.export program with a free batch size and sparse dispatch."""
    shape = model.input_shape
    dtype = torch.uint8 if len(shape) == 3 else torch.float32
    # several samples, so that the batch size is not taken for a constant
    example = torch.zeros((4, *shape), dtype=dtype)
    # with weights that ask for gradients, torch retraces every branch at every call
    frozen = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            frozen, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
        )
        write_atomic(path, lambda file: torch.export.save(program, file))


def load_model(folder: str | Path) -> Deployed:
    """Load a model saved by a run.

    Args:
        folder: a run directory, or its `model` folder.

    Raises:
        InputError: there is no model, it is damaged or written by a newer version.
    """
    place = Path(folder)
    if (place / "model" / _DESCRIPTION).exists():
        place = place / "model"
    try:
        info = json.loads((place / _DESCRIPTION).read_text(encoding="utf-8"))
        if info["format"] not in (_FORMAT, _CASCADE_FORMAT):
            raise ValueError(f"format {info['format']}, this version reads up to {_CASCADE_FORMAT}")
        weights = load_file(place / _WEIGHTS)
        network = _described_network(info)
        mean = weights["normaliser.mean"]
        model = Deployed(Normaliser(torch.zeros_like(mean), torch.ones_like(mean)), network, info)
        model.load_state_dict(weights)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"no model in {folder}, or not a whole one: give the directory of a finished run (see "
            f"moesaic status); {_mend(place, 'a run whose model was lost')}"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read the model in {place}: {error.strerror or error}") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:96]
        raise InputError(
            f"the model in {place} is damaged ({reason}): {_mend(place, 'a run')}"
        ) from None
    return model.eval()


def _mend(place: Path, who: str) -> str:
    """Return how the model in a folder is written again: a cascade is no run."""
    try:
        told = (place / _DESCRIPTION).read_text(encoding="utf-8")
    except (OSError, ValueError):
        told = ""
    if '"stages"' in told:
        return "a cascade is made again by moesaic cascade, in a new directory"
    return f"{who} writes it again by moesaic resume, once its result.json is deleted"


def _described_network(info: dict[str, Any]) -> nn.Module:
    """Build the untrained network that the description of a saved model tells of."""
    shape, classes = tuple(int(size) for size in info["input_shape"]), len(info["classes"])
    described = info["stages"] if info["format"] == _CASCADE_FORMAT else [info]
    networks = [
        build_network(
            [Architecture.from_dict(payload) for payload in one["experts"]],
            shape,
            classes,
            top_k=int(one["top_k"]),
            # models saved before there was a choice do not say
            gate=one.get("gate", "default"),
            moe4=Moe4(**one["moe4"]) if "moe4" in one else None,
            gate_size=float(one.get("gate_size", 1.0)),
        )
        for one in described
    ]
    if described[0] is info:
        return networks[0]
    return Cascade(networks, torch.tensor(info["thresholds"], dtype=torch.float32))
