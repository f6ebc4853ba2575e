"""How large the gate is where compute has a price: it is paid on every sample, like an expert."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from moesaic.config import SearchConfig
from moesaic.mixture import build_gate
from moesaic.runs._context import load_context, load_partition
from moesaic.runs._pace import rungs_of
from moesaic.runs._session import SearchSession
from moesaic.runs._variants import gate_macs
from moesaic.seeds import derive_seed
from moesaic.structure import Partition, probe_routing

GATE_CHOICES = (1.0, 0.7, 0.5, 0.35)  # each costs about half of the last


def choose_gate(
    session: SearchSession, routing: Sequence[int], experts: int, price: float
) -> dict[str, Any] | None:
    """Return the gate's size, as a factor on its channels, and what every size was found to do.

    A network like the gate is trained at every size to name the expert of a sample. The size is
    taken whose share of validation samples that go astray, plus the price of its compute, is the
    least: a stray counts as a wrong answer. Without a price or a limit gates have size 1, and
    nothing is trained.

    Args:
        session: the run.
        routing: the expert of every cluster, (M,).
        experts: K.
        price: share of right answers that a multiply-accumulate must buy.

    Returns:
        `size` and `tried` (`size`, `macs`, `right`, the share that is named rightly), JSON-able;
        None where compute costs nothing.
    """
    config = session.config
    if not config.priced:
        return None
    known: dict[str, Any] | None = session.bank.meta("gate")
    if known is not None:
        return known
    shape = load_context(str(session.folder.path)).dataset.input_shape
    sizes = sizes_of(config)
    if session.out_of_time(0.5):
        sizes = sizes[:1]
    words = [
        {
            "path": str(session.folder.path),
            "routing": [int(expert) for expert in routing],
            "experts": experts,
            "size": size,
            "epochs": 2 * rungs_of(session)[-1],
        }
        for size in sizes
    ]
    answers = session.call("size of the gate", probe_gate, words) if len(sizes) > 1 else []
    tried = [
        {"size": size, "macs": gate_macs(shape, experts, size), "right": answer["right"]}
        for size, answer in zip(sizes, answers, strict=False)
    ]
    best = min(
        tried, key=lambda one: (1.0 - one["right"] + price * one["macs"], one["macs"]), default=None
    )
    found = {"size": sizes[0] if best is None else best["size"], "tried": tried}
    session.bank.set_meta("gate", found)
    return found


def sizes_of(config: SearchConfig) -> list[float]:
    """Return the sizes of a gate that are tried, the largest first."""
    return sorted(set(config.gate_choices or GATE_CHOICES), reverse=True)


def probe_gate(
    path: str, routing: list[int], experts: int, size: float, epochs: int
) -> dict[str, Any]:
    """Train a network like the gate to name experts; returns the share of `right` names.

    It is trained as long as the sizes of experts are compared, and seeded alike at every size.
    """
    context = load_context(path)
    config = context.config
    if not isinstance(config, SearchConfig):
        raise TypeError(f"a {config.kind} has no gate to choose")
    clusters = load_partition(path)
    expert_of = np.asarray(routing, dtype=np.int64)
    groups = Partition(expert_of[clusters.train], expert_of[clusters.validation], experts)
    found = probe_routing(
        groups,
        context.dataset.train,
        context.dataset.validation,
        context.normaliser,
        partial(build_gate, context.dataset.input_shape, size=size),
        config.recipe.for_epochs(epochs),
        derive_seed(config.seed, "gate"),
    )
    return {"right": found.accuracy}
