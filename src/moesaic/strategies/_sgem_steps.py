"""Objective, E-step and M-step on the routing of `sgem`; it does not choose architectures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
LEAST = 1e-6
_STEPS = 40
_LR = 0.1
_TEMPERATURE = 1.0


def responsibilities(routing: Floats, loss: Floats) -> Floats:
    """Return the E-step q (M, K): q_mk proportional to r_mk exp(-u_k).

    Args:
        routing: r, (M, K), rows that sum to 1.
        loss: u, (K,) nats, or (M, K) where it differs between clusters.
    """
    log = np.log(np.maximum(routing, LEAST)) - loss
    log -= log.max(axis=1, keepdims=True)
    share = np.exp(log)
    found: Floats = share / share.sum(axis=1, keepdims=True)
    return found


def objective(routing: Floats, loss: Floats, weight: Floats, balance: float) -> float:
    """Return J = sum_m n_m log sum_k r_mk exp(-u_k) less the penalty on unequal use.

    Args:
        routing: r, (M, K).
        loss: u, (K,) nats.
        weight: (M,) shares.
        balance: weight of the penalty K sum_k P_k^2, P_k the share that expert k serves; it is
            least, 1, when all serve equally much.
    """
    inner = (np.maximum(routing, LEAST) * np.exp(-loss)).sum(axis=1)
    return float(weight @ np.log(inner)) - balance * unevenness(routing, weight)


def unevenness(routing: Floats, weight: Floats) -> float:
    """Return K sum_k P_k^2, 1 .. K."""
    served = weight @ routing
    return float(routing.shape[1] * (served**2).sum())


def improve_routing(
    routing: Floats,
    share: Floats,
    loss_of: Callable[[Tensor], Tensor],
    weight: Floats,
    balance: float,
    seed: int,
) -> Floats:
    """Return the M-step on the routing: a hard r (M, K) by straight-through Gumbel-softmax.

    It ascends Q = sum_m n_m sum_k q_mk (log r_mk - u_k(r_k)) less the penalty, on logits that
    start at `routing`; forward the experts' masks are hard draws, backward soft ones. That it
    improves anything is not promised: who calls it keeps the incumbent.

    Args:
        routing: r, (M, K) to start from.
        share: q, (M, K) of the E-step.
        loss_of: maps masks (K, M) to losses (K,) in nats with a gradient.
        weight: (M,) shares.
        balance: weight of the penalty.
        seed: of the Gumbel noise.
    """
    import torch

    source = torch.Generator().manual_seed(seed)
    logits = torch.tensor(np.log(np.maximum(routing, 0.05)), dtype=torch.float32).requires_grad_()
    wanted = torch.tensor(share, dtype=torch.float32)
    shares = torch.tensor(weight, dtype=torch.float32)
    optimiser = torch.optim.Adam([logits], lr=_LR)
    for _ in range(_STEPS):
        uniform = torch.rand(logits.shape, generator=source).clamp(1e-6, 1 - 1e-6)
        noisy = (logits - torch.log(-torch.log(uniform))) / _TEMPERATURE
        soft = torch.softmax(noisy, dim=1)
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(dim=1, keepdim=True), 1.0)
        masks = hard + soft - soft.detach()
        gain = wanted * (torch.log_softmax(logits, dim=1) - loss_of(masks.T))
        served = shares @ masks
        penalty = balance * masks.shape[1] * served.square().sum()
        loss = penalty - (shares @ gain).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    chosen = logits.detach().argmax(dim=1).numpy()
    return hard_routing(chosen, routing.shape[1])


def hard_routing(groups: NDArray[np.int64], experts: int) -> Floats:
    """Return r (M, K) of the group (M,) of every cluster."""
    found: Floats = (groups[:, None] == np.arange(experts)).astype(np.float64)
    return found
