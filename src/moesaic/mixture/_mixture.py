"""The mixture of experts as one module, with sparse dispatch; it does not train itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from moesaic.errors import InputError


class Mixture(nn.Module):
    """g(x) = sum_k r_k(x) f_k(x), r_k >= 0, sum_k r_k = 1 (the paper's equation 4).

    Only the `top_k` experts with the largest gate logits run on a sample; an expert that no sample
    of a batch was sent to does not run at all. With `top_k` = K the mixture is dense: every expert
    runs on every sample.

    Args:
        experts: K networks, each mapping (B, ...) to logits (B, classes).
        gate: maps (B, ...) to gate logits (B, K).
        classes: number of classes.
        top_k: how many experts run on each sample, 1 to K.

    Raises:
        InputError: top_k is not 1 to K.
    """

    def __init__(
        self, experts: Sequence[nn.Module], gate: nn.Module, classes: int, top_k: int = 1
    ) -> None:
        super().__init__()
        if not 1 <= top_k <= len(experts):
            raise InputError(f"top_k is {top_k}, expected 1 to {len(experts)}, the experts")
        self.experts = nn.ModuleList(experts)
        self.gate = gate
        self.classes = classes
        self.top_k = top_k

    def route(self, inputs: Tensor) -> Tensor:
        """Return the weights (B, K): softmax over the chosen experts, zero for the others."""
        return sparse_weights(self.gate(inputs), self.top_k)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (B, ...) to logits (B, classes)."""
        return self.dispatch(inputs, self.route(inputs))

    def dispatch(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Add up the logits under weights (B, K) that have at most `top_k` a row above zero."""
        if self.top_k == len(self.experts):
            return self.combine_all(inputs, weights)
        return self.combine(inputs, weights)

    def forward_all(self, inputs: Tensor) -> Tensor:
        """Run every expert on every sample, weighted by the whole softmax of the gate."""
        return self.combine_all(inputs, torch.softmax(self.gate(inputs), dim=1))

    def combine_all(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Add up the experts' logits (B, classes) under the weights (B, K), skipping nobody."""
        output = inputs.new_zeros((inputs.shape[0], self.classes))
        for position, expert in enumerate(self.experts):
            logits = self._run(expert, inputs) * weights[:, position].unsqueeze(1)
            output = output + logits.to(output.dtype)
        return output

    def combine(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Add up the experts' logits (B, classes) under the weights (B, K), skipping zeros."""
        if torch.compiler.is_exporting():
            return self._combine_exported(inputs, weights)
        output = inputs.new_zeros((inputs.shape[0], self.classes))
        for position, expert in enumerate(self.experts):
            # a weight that is not a number counts too, so that a broken gate is not hidden
            rows = torch.nonzero(weights[:, position] != 0).squeeze(1)
            if rows.numel() == 0:
                continue
            logits = self._run(expert, inputs[rows])
            weighted = logits * weights[rows, position].unsqueeze(1)
            output = output.index_add(0, rows, weighted.to(output.dtype))
        return output

    def _run(self, expert: nn.Module, inputs: Tensor) -> Tensor:
        # batch normalisation cannot train on one sample, so a lone one is shown twice
        if self.training and inputs.shape[0] == 1:
            inputs = torch.cat([inputs, inputs])
            return cast(Tensor, expert(inputs))[:1]
        return cast(Tensor, expert(inputs))

    def _combine_exported(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """The same in the form torch.export can trace: one conditional an expert."""
        output = inputs.new_zeros((inputs.shape[0], self.classes))
        for position, expert in enumerate(self.experts):
            weight = weights[:, position]

            def run(
                inputs: Tensor, weight: Tensor, output: Tensor, expert: nn.Module = expert
            ) -> Tensor:
                rows = torch.nonzero(weight != 0).squeeze(1)
                torch._check(rows.shape[0] > 0)  # type: ignore[no-untyped-call]
                logits = expert(inputs[rows]) * weight[rows].unsqueeze(1)
                return output.index_add(0, rows, logits)

            def skip(inputs: Tensor, weight: Tensor, output: Tensor) -> Tensor:
                return output.clone()

            output = torch.cond((weight != 0).any(), run, skip, (inputs, weight, output))
        return output


def sparse_weights(logits: Tensor, top_k: int) -> Tensor:
    """Return weights (B, K) from gate logits (B, K): softmax over the `top_k` largest of a row."""
    values, chosen = logits.topk(top_k, dim=1)
    return torch.zeros_like(logits).scatter(1, chosen, torch.softmax(values, dim=1))
