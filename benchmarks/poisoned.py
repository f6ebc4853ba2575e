"""Two families that fail on purpose, for benchmarks.campaign: one raises, one never returns."""

from __future__ import annotations

import time

from torch import Tensor, nn

from moesaic.spaces import register_family


class Raising(nn.Module):
    """Its forward pass raises."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Raise."""
        raise ValueError("this family is poisoned")


class Hanging(nn.Module):
    """Its forward pass never returns."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Sleep for ever."""
        while True:
            time.sleep(1)


register_family("PoisonRaises", lambda shape, classes: Raising(shape[0], classes))
register_family("PoisonHangs", lambda shape, classes: Hanging(shape[0], classes))
