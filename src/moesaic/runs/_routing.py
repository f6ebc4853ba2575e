"""What a trained mixture does with samples: its logits, its cost, and what its gate decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moesaic.data import Split
from moesaic.errors import BuildError
from moesaic.mixture import Mixture
from moesaic.runs._context import Context, load_partition
from moesaic.training import count_macs, predict_logits


@dataclass(frozen=True)
class Routed:
    """A mixture on a split.

    Attributes:
        logits: (N, classes), of the experts that were chosen.
        ranked: int64 (N, top_k), the experts that run on every sample, the first choice first.
        weights: (N, K), the softmax of the gate over all experts; of one expert alone where the
            gate was not asked.
        usage: mean number of times each expert runs on a sample, (K,); adds up to top_k.
        expert_macs: (K,), multiply-accumulates of each expert on one sample.
        gate_macs: of the gate, 0 where it was not asked.
        accuracy: share of right answers.
        accuracy_all: the same when every expert runs on every sample.
    """

    logits: Tensor
    ranked: NDArray[np.int64]
    weights: NDArray[np.float64]
    usage: NDArray[np.float64]
    expert_macs: NDArray[np.int64]
    gate_macs: int
    accuracy: float
    accuracy_all: float

    @property
    def chosen(self) -> NDArray[np.int64]:
        """The first choice for every sample, (N,)."""
        return self.ranked[:, 0]

    @property
    def macs(self) -> int:
        """Expected multiply-accumulates of one sample, gate counted."""
        return round(float(self.usage @ self.expert_macs)) + self.gate_macs

    @property
    def macs_dense(self) -> int:
        """The same with every expert on every sample."""
        return int(self.expert_macs.sum()) + self.gate_macs

    @property
    def saving(self) -> float:
        """Share of the dense multiply-accumulates that are not spent."""
        return 1 - self.macs / max(1, self.macs_dense)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, JSON-able, without the samples."""
        return {
            "usage": [float(share) for share in self.usage],
            "expert_macs": [int(cost) for cost in self.expert_macs],
            "gate_macs": self.gate_macs,
            "macs_dense": self.macs_dense,
            "saving": self.saving,
            "accuracy": self.accuracy,
            "accuracy_all": self.accuracy_all,
        }


def route_split(
    context: Context, mixture: Mixture, split: Split, given: NDArray[np.int64] | None = None
) -> Routed:
    """Run a mixture on a split.

    Args:
        context: gives the normaliser and the shape of the inputs.
        mixture: trained.
        split: N samples.
        given: the expert of every sample, (N,), for the oracle; the gate decides without it.
    """
    inputs, shape = split.inputs, context.dataset.input_shape
    experts = len(mixture.experts)
    if given is None:
        gate = predict_logits(mixture.gate, inputs, context.normaliser)
        ranked = gate.topk(mixture.top_k, dim=1).indices.numpy().astype(np.int64)
        weights = gate.double().softmax(dim=1).numpy()
        logits = predict_logits(mixture, inputs, context.normaliser)
        gate_macs = count_macs(mixture.gate, shape)
    else:
        ranked = given[:, None]
        weights = np.eye(experts)[given]
        logits = torch.zeros(len(split), mixture.classes)
        for position, expert in enumerate(mixture.experts):
            rows = torch.from_numpy(np.flatnonzero(given == position))
            if len(rows):
                logits[rows] = predict_logits(expert, inputs[rows], context.normaliser)
        gate_macs = 0
    if given is None and mixture.top_k == experts:
        everything = logits
    else:
        everything = predict_logits(_All(mixture), inputs, context.normaliser)
    return Routed(
        logits=logits,
        ranked=ranked,
        weights=weights,
        usage=np.bincount(ranked.ravel(), minlength=experts) / max(1, len(split)),
        expert_macs=np.array([count_macs(expert, shape) for expert in mixture.experts]),
        gate_macs=gate_macs,
        accuracy=_accuracy(logits, split),
        accuracy_all=_accuracy(everything, split),
    )


def routing_targets(context: Context, routing: str | list[int], split: Split) -> NDArray[np.int64]:
    """Return the expert (N,) that a routing assigns to every sample of a split.

    Args:
        context: gives the partition.
        routing: expert of every cluster, (M,), or `domains`.
        split: the run's training or validation split, or any split with domains.
    """
    if routing == "domains":
        if split.domains is None:
            raise BuildError("the oracle routing needs domain labels")
        return split.domains.numpy().astype(np.int64)
    partition = load_partition(str(context.folder.path))
    clusters = partition.train if split is context.dataset.train else partition.validation
    expert_of: NDArray[np.int64] = np.asarray(routing, dtype=np.int64)
    return expert_of[clusters]


class _All(nn.Module):
    """Every expert on every sample: the mixture as a dense network."""

    def __init__(self, mixture: Mixture) -> None:
        super().__init__()
        self.mixture = mixture

    def forward(self, inputs: Tensor) -> Tensor:
        return self.mixture.forward_all(inputs)


def _accuracy(logits: Tensor, split: Split) -> float:
    return float((logits.argmax(dim=1) == split.labels).float().mean())
