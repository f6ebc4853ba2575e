"""Gates: small networks that weight the experts; they are taught elsewhere."""

from __future__ import annotations

from torch import Tensor, nn


class ConvGate(nn.Module):
    """A gate for images: three strided convolutions, global average pooling, one linear layer.

    It maps normalised images (B, C, H, W) to gate logits (B, K) at about one per cent of the cost
    of the smallest useful expert.
    """

    def __init__(self, channels: int, experts: int, width: int = 12) -> None:
        super().__init__()
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
    """A gate for vectors: maps (B, D) to gate logits (B, K) through one hidden layer."""

    def __init__(self, features: int, experts: int, width: int = 32) -> None:
        super().__init__()
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


def build_gate(input_shape: tuple[int, ...], experts: int) -> nn.Module:
    """Return the default gate for inputs of `input_shape`, (C, H, W) or (D,)."""
    if len(input_shape) == 3:
        return ConvGate(input_shape[0], experts)
    return VectorGate(input_shape[0], experts)
