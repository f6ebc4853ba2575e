"""The preset moe4: the published MoE4 gate and training objective, without their defects."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from moesaic.config import Moe4, Recipe
from moesaic.mixture._balance import BALANCES
from moesaic.mixture._mixture import Mixture, sparse_weights
from moesaic.training import Mixup, Objective


class Moe4Gate(nn.Module):
    """The gate of MoE4 (arXiv 2606.23739): two strided convolutions, pooling, one hidden layer.

    Its logits are divided by a learned temperature and, in training only, get Gaussian noise from
    torch's global generator. The temperature is a sigmoid between its limits: it cannot leave
    them, as in the published clamp, but has a gradient everywhere. At the published start, 2 in
    [.5, 5], it moves as fast as the clamped parameter would. Vectors pass linear layers of the
    same widths in place of the convolutions (ours, the paper has images only).

    Args:
        input_shape: (C, H, W) or (D,).
        experts: K.
        settings: widths, dropout, noise and temperature.
    """

    def __init__(self, input_shape: tuple[int, ...], experts: int, settings: Moe4) -> None:
        super().__init__()
        self.settings = settings
        first, second, hidden = settings.gate_widths
        layers: list[nn.Module] = []
        inside = input_shape[0]
        for outside in (first, second):
            if len(input_shape) == 3:
                convolution = nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False)
                layers += [convolution, nn.BatchNorm2d(outside), nn.ReLU()]
            else:
                linear = nn.Linear(inside, outside, bias=False)
                layers += [linear, nn.BatchNorm1d(outside), nn.ReLU()]
            inside = outside
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(second, hidden),
            nn.ReLU(),
            nn.Dropout(settings.gate_dropout),
            nn.Linear(hidden, experts),
        )
        low, high = settings.temperature_range
        share = (settings.temperature - low) / (high - low)
        self.raw_temperature = nn.Parameter(torch.tensor(math.log(share / (1 - share))))

    @property
    def temperature(self) -> Tensor:
        """What the logits are divided by: a scalar within `temperature_range`."""
        low, high = self.settings.temperature_range
        return low + (high - low) * torch.sigmoid(self.raw_temperature)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return gate logits (B, K)."""
        features = self.layers(inputs)
        if features.dim() == 4:
            features = features.mean(dim=(2, 3))
        logits: Tensor = self.head(features) / self.temperature
        if self.training and self.settings.noise > 0:
            logits = logits + self.settings.noise * torch.randn_like(logits)
        return logits


def moe4_objective(mixture: Mixture, recipe: Recipe, moe4: Moe4, *, seed: int = 0) -> Objective:
    """Return the training objective of MoE4: the task's loss and a balance loss on the gate.

    With z the gate logits of a batch, computed once a step, it is the cross-entropy, in nats, of
    sum_k r_k f_k plus `balance_weight` times the balance loss of z. r is softmax(z), and all
    experts run; where `top_k` < K, r is the softmax over the `top_k` largest and only these run.
    For `top_k` = 1 that softmax is constant, so its chosen weight of 1 is given the gradient of
    softmax(z), as in Switch Transformers; its value stays that of inference.

    Args:
        mixture: the module to be trained.
        recipe: gives the label smoothing and mixup.
        moe4: names and weights the balance loss.
        seed: of mixup's draws. An objective serves one training, or the next one goes on drawing.
    """
    mixup = Mixup(recipe.mixup, seed)
    balance = BALANCES.get(moe4.balance)

    def objective(inputs: Tensor, labels: Tensor, index: Tensor, epoch: int) -> Tensor:
        blend = mixup(inputs)
        gate_logits = mixture.gate(blend.inputs).float()
        weights = sparse_weights(gate_logits, mixture.top_k)
        if mixture.top_k == 1:
            soft = gate_logits.softmax(dim=1)
            weights = weights + weights * (soft - soft.detach())
        logits = mixture.dispatch(blend.inputs, weights)
        loss = blend.cross_entropy(logits, labels, recipe.label_smoothing)
        if balance is not None:
            loss = loss + moe4.balance_weight * balance(gate_logits)
        return loss

    return objective
