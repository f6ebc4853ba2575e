"""Networks asked in turn until one is sure enough, as one module; it does not train them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from moesaic.errors import InputError
from moesaic.mixture._mixture import Mixture


class Cascade(nn.Module):
    """A cascade of classifiers (Viola and Jones 2001), the cheapest first.

    A sample stops at the first stage whose confidence, the largest of its probabilities, reaches
    the threshold of the sample's region, or at the last one; later stages do not run on it, and the
    answer is that of the stage where it stops. Its region is the expert that the gate of the first
    stage chooses.

    Args:
        stages: S networks, each mapping (B, ...) to logits (B, classes).
        thresholds: (R, S - 1), R the experts of the first stage, 1 where that is no mixture.

    Raises:
        InputError: fewer than two stages, or thresholds of another shape.
    """

    thresholds: Tensor

    def __init__(self, stages: Sequence[nn.Module], thresholds: Tensor) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        shape = (regions_of(stages[0]) if stages else 0, len(stages) - 1)
        if len(stages) < 2 or tuple(thresholds.shape) != shape:
            raise InputError(
                f"{len(stages)} stages and thresholds of shape {tuple(thresholds.shape)}: expected "
                f"two stages or more, and (regions, stages - 1) thresholds, here {shape}"
            )
        self.register_buffer("thresholds", thresholds.to(torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (B, ...) to logits (B, classes)."""
        return self._ask(inputs)[0]

    def route(self, inputs: Tensor) -> Tensor:
        """Return the stage at which each sample stops, (B, S), one-hot."""
        stage = self._ask(inputs)[1]
        return nn.functional.one_hot(stage, len(self.stages)).to(torch.float32)

    def _ask(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (B, classes) and the stage (B,) at which each sample stops."""
        logits, weights = answer_with_weights(self.stages[0], inputs)
        region = weights.argmax(dim=1)
        stage = torch.zeros_like(region)
        going = torch.ones_like(region, dtype=torch.bool)
        for position, network in enumerate(list(self.stages)[1:]):
            # a confidence that is not a number is none
            sure = confidence_of(logits) >= self.thresholds[region, position]
            going = going & ~sure
            if torch.compiler.is_exporting():
                logits = _replace_exported(network, inputs, going, logits)
            else:
                rows = torch.nonzero(going).squeeze(1)
                if rows.numel() == 0:
                    break
                logits = logits.index_copy(0, rows, network(inputs[rows]).to(logits.dtype))
            stage = stage + going.to(stage.dtype)
        return logits, stage


def confidence_of(logits: Tensor) -> Tensor:
    """Return the largest probability of every sample, (B,), of logits (B, classes)."""
    return torch.softmax(logits, dim=1).amax(dim=1)


def regions_of(network: nn.Module) -> int:
    """Return how many regions a first stage parts: its experts, 1 where it is no mixture."""
    return len(network.experts) if isinstance(network, Mixture) else 1


def answer_with_weights(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits (B, classes) and the experts' weights (B, K); (B, 1) without a gate."""
    if not isinstance(network, Mixture):
        return network(inputs), inputs.new_ones((inputs.shape[0], 1))
    weights = network.route(inputs)
    return network.dispatch(inputs, weights), weights


def _replace_exported(network: nn.Module, inputs: Tensor, going: Tensor, logits: Tensor) -> Tensor:
    """Answer anew for the samples that go on, in the form torch.export can trace."""

    def run(inputs: Tensor, going: Tensor, logits: Tensor) -> Tensor:
        rows = torch.nonzero(going).squeeze(1)
        torch._check(rows.shape[0] > 0)  # type: ignore[no-untyped-call]
        return logits.index_copy(0, rows, network(inputs[rows]))

    def skip(inputs: Tensor, going: Tensor, logits: Tensor) -> Tensor:
        return logits.clone()

    found: Tensor = torch.cond(going.any(), run, skip, (inputs, going, logits))
    return found
