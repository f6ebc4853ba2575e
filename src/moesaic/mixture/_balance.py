"""Losses that keep a gate from sending everything to one expert; they know no network.

All take the gate logits z of a batch, (B, K), as they weight the experts, and return a scalar. With
p_ik = softmax_k(z_i), every one is made of means over the samples, so that its value depends
neither on the size of the batch nor on how often the same batch is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def switch_loss(logits: Tensor) -> Tensor:
    """Return K sum_k f_k P_k of logits (B, K): 1 at an even use, K where one expert takes all.

    f_k is the share of samples whose largest logit is k, P_k the mean of p_ik. The gradient comes
    from P alone: it lowers the probability of experts that are chosen too often. (Fedus, Zoph and
    Shazeer 2022, Switch Transformers, equations 4 to 6.)
    """
    experts = logits.shape[1]
    share = nn.functional.one_hot(logits.argmax(dim=1), experts).to(logits.dtype).mean(dim=0)
    return experts * (share * logits.softmax(dim=1).mean(dim=0)).sum()


def importance_loss(logits: Tensor) -> Tensor:
    """Return the squared coefficient of variation of the experts' importance, from (B, K).

    Importance is sum_i p_ik. Since its mean over k is B / K, this is K sum_k P_k^2 - 1 with P_k the
    mean of p_ik: 0 at an even use, K - 1 where one expert takes all. (Shazeer et al. 2017,
    Outrageously Large Neural Networks, equations 6 and 7.)
    """
    mean = logits.softmax(dim=1).mean(dim=0)
    return logits.shape[1] * mean.square().sum() - 1


def z_loss(logits: Tensor) -> Tensor:
    """Return the mean over the samples of (log sum_k exp z_ik)^2, from logits (B, K).

    It keeps the logits small and the gate undecided; it does not count who is used. (Zoph et al.
    2022, ST-MoE, equation 5.)
    """
    return logits.logsumexp(dim=1).square().mean()


BALANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "switch": switch_loss,
    "importance": importance_loss,
    "z": z_loss,
}
