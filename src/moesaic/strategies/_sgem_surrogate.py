"""The surrogate of `sgem`: one loss for (architecture, mask), differentiable in the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
_HIDDEN = 64
_DROPOUT = 0.1
_STEPS = 200
_LR = 1e-2
_DRAWS = 8


class MaskedLoss:
    """A small network with dropout: features of an architecture and a mask to a loss in nats.

    The published one is a graph-attention network; here the graph's features stand for the graph.
    Softplus ends it, so that no prediction is negative, and dropout that goes on when it predicts
    says how far it can be trusted.
    """

    def __init__(self, features: int, clusters: int, seed: int) -> None:
        """Args: length of the features, M, and the seed of weights and dropout."""
        import torch
        from torch import nn

        self._source = torch.Generator().manual_seed(seed)
        self._mean, self._scale = np.zeros(features), np.ones(features)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._layers = nn.ModuleList(
                [nn.Linear(features + clusters, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)]
            )
            self._head = nn.Linear(_HIDDEN, 1)

    def fit(self, features: Floats, masks: Floats, loss: Floats) -> None:
        """Learn losses (n,) in nats from features (n, F) and masks (n, M), from where it stands.

        Raises:
            InputError: nothing to learn from, or a loss that is negative or not finite.
        """
        import torch
        from torch.nn import functional

        if len(loss) == 0 or not np.isfinite(loss).all() or (loss < 0).any():
            raise InputError("the losses must be finite, not negative, and at least one")
        self._mean = features.mean(axis=0)
        self._scale = np.maximum(features.std(axis=0), 1e-6)
        rows, flags = self._inputs(features), torch.tensor(masks, dtype=torch.float32)
        wanted = torch.tensor(loss, dtype=torch.float32)
        parameters = [*self._layers.parameters(), *self._head.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=_LR, weight_decay=1e-3)
        for _ in range(_STEPS):
            found = self._run(rows, flags)
            optimiser.zero_grad(set_to_none=True)
            functional.mse_loss(found, wanted).backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    def predict(self, features: Floats, masks: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (n,) over draws of the dropout, in nats."""
        import torch

        rows, flags = self._inputs(features), torch.tensor(masks, dtype=torch.float32)
        with torch.no_grad():
            draws = torch.stack([self._run(rows, flags) for _ in range(_DRAWS)]).double().numpy()
        return draws.mean(axis=0), draws.std(axis=0)

    def expected(self, features: Floats, masks: Tensor) -> Tensor:
        """Return the losses (n,) without dropout, with a gradient in the masks (n, M)."""
        return self._run(self._inputs(features), masks, dropout=False)

    def _inputs(self, features: Floats) -> Tensor:
        import torch

        return torch.tensor((features - self._mean) / self._scale, dtype=torch.float32)

    def _run(self, rows: Tensor, masks: Tensor, dropout: bool = True) -> Tensor:
        import torch
        from torch.nn import functional

        hidden = torch.cat([rows, masks], dim=1)
        for layer in self._layers:
            hidden = functional.relu(layer(hidden))
            if dropout:
                kept = torch.rand(hidden.shape, generator=self._source) >= _DROPOUT
                hidden = hidden * kept / (1.0 - _DROPOUT)
        found: Tensor = functional.softplus(self._head(hidden)).squeeze(1)
        return found
