"""Mixup: batches of blended samples with blended targets; it changes nothing outside training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from moesaic.seeds import generator


@dataclass(frozen=True)
class Blend:
    """A batch in which every sample is blended with another one.

    Attributes:
        inputs: (B, ...), share * x + (1 - share) * x[partner].
        partner: int64 (B,), whom every sample was blended with, on the inputs' device.
        share: in [1/2, 1], so that a blend is mostly its own sample; 1 where nothing is blended.
    """

    inputs: Tensor
    partner: Tensor | None
    share: float

    def cross_entropy(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy in nats of logits (B, n) to the blended labels (B,).

        Cross-entropy is linear in its target, so this is the loss to the soft target
        share * onehot(y) + (1 - share) * onehot(y[partner]), smoothed or not.
        """
        logits = logits.float()
        own = nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        if self.partner is None:
            return own
        other = nn.functional.cross_entropy(logits, labels[self.partner], label_smoothing=smoothing)
        return self.share * own + (1 - self.share) * other


class Mixup:
    """Blends batches (Zhang et al. 2018): one share a batch, drawn from Beta(alpha, alpha).

    The share is folded to [1/2, 1], which only swaps the two samples of a pair. Draws come from
    (seed, "mixup") alone, in the order of the batches.

    Args:
        alpha: of the Beta distribution; 0 blends nothing and draws nothing.
        seed: of the training.
    """

    def __init__(self, alpha: float, seed: int) -> None:
        self._alpha = alpha
        self._source = generator(seed, "mixup")

    def __call__(self, inputs: Tensor) -> Blend:
        """Return the inputs (B, ...), floating point, blended among themselves."""
        if self._alpha == 0:
            return Blend(inputs, None, 1.0)
        share = float(self._source.beta(self._alpha, self._alpha))
        share = max(share, 1 - share)
        order = self._source.permutation(inputs.shape[0])
        partner = torch.from_numpy(order).to(inputs.device)
        # the batch comes first, so that its memory layout is kept
        mixed = (inputs * share).add(inputs[partner], alpha=1 - share)
        return Blend(mixed, partner, share)
