"""Gates: small networks that weight the experts; they are taught elsewhere."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from moesaic.config import Moe4
from moesaic.errors import unknown_name
from moesaic.mixture._moe4 import Moe4Gate

GATES = ("default", "moe4")


class ConvGate(nn.Module):
    """A gate for images: three strided convolutions, global average pooling, one linear layer.

    It maps normalised images (B, C, H, W) to gate logits (B, K). Of size 1 it costs 83 thousand
    multiply-accumulates on a colour image of 16 x 16 pixels; size is a factor on its channels.
    """

    def __init__(self, channels: int, experts: int, size: float = 1.0) -> None:
        super().__init__()
        self.size = size
        width = _scaled(12, size)
        layers: list[nn.Module] = []
        inside = channels
        for outside in (width, 2 * width, 2 * width):
            layers += [
                nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(),
            ]
            inside = outside
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(inside, experts)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return gate logits (B, K)."""
        logits: Tensor = self.head(self.layers(inputs).mean(dim=(2, 3)))
        return logits


class VectorGate(nn.Module):
    """A gate for vectors: maps (B, D) to gate logits (B, K) through two hidden layers."""

    def __init__(self, features: int, experts: int, size: float = 1.0) -> None:
        super().__init__()
        self.size = size
        width = _scaled(32, size)
        self.layers = nn.Sequential(
            nn.Linear(features, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, experts),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return gate logits (B, K)."""
        logits: Tensor = self.layers(inputs)
        return logits


def build_gate(
    input_shape: tuple[int, ...],
    experts: int,
    gate: str = "default",
    moe4: Moe4 | None = None,
    size: float = 1.0,
) -> nn.Module:
    """Return an untrained gate for inputs of `input_shape`, (C, H, W) or (D,).

    Args:
        input_shape: of one sample.
        experts: K.
        gate: `default`, the small one that is taught, or `moe4`.
        moe4: settings of the gate `moe4`; the published ones when not given.
        size: factor on the channels of the default gate, at least one channel each.

    Raises:
        InputError: no such gate.
    """
    if gate not in GATES:
        raise unknown_name("gate", gate, GATES)
    if gate == "moe4":
        return Moe4Gate(input_shape, experts, moe4 or Moe4())
    if len(input_shape) == 3:
        return ConvGate(input_shape[0], experts, size)
    return VectorGate(input_shape[0], experts, size)


def describe_gate(gate: nn.Module) -> dict[str, Any]:
    """Return what `build_gate` needs, JSON-able, to build such a gate again."""
    if isinstance(gate, Moe4Gate):
        return {"gate": "moe4", "moe4": gate.settings.to_dict()}
    size = getattr(gate, "size", 1.0)
    return {"gate": "default", **({} if size == 1.0 else {"gate_size": size})}


def _scaled(width: int, size: float) -> int:
    return max(1, round(width * size))
