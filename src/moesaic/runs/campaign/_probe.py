"""What every family of the pool costs, asked in the workers: a family may raise or never return."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from moesaic.config import CampaignConfig
from moesaic.runs._context import load_context
from moesaic.runs._session import Session
from moesaic.spaces import build_architecture
from moesaic.spaces.families import family_architecture
from moesaic.training import Demand, demand_of

_BATCH = 32
_STEPS = 2
PROBE_LIMIT = 60.0  # seconds for three batches of 32


@dataclass(frozen=True)
class Probed:
    """What is known of a family before it is trained.

    Attributes:
        demand: counted; None where the family failed.
        seconds: measured seconds of one training step, for one sample; None where it was not timed.
        cause: why it failed, None where it did not.
        message: the same in words, "" where it did not.
    """

    demand: Demand | None
    seconds: float | None
    cause: str | None
    message: str


def probe_pool(session: Session[CampaignConfig], pool: tuple[str, ...]) -> dict[str, Probed]:
    """Count and time every family once; a resumed run reads the answers back.

    A family that raises or does not return is no reason to stop: its trials will say why.
    """
    known: dict[str, Any] | None = session.bank.meta("probes")
    if known is None:
        known = _ask(session, pool)
        session.bank.set_meta("probes", known)
    return {
        name: Probed(
            demand=None if found["demand"] is None else Demand(**found["demand"]),
            seconds=found["seconds"],
            cause=found["cause"],
            message=found["message"],
        )
        for name, found in known.items()
    }


def _ask(session: Session[CampaignConfig], pool: tuple[str, ...]) -> dict[str, Any]:
    title = "families"
    session.watcher.stage(title, len(pool))
    limit = session.config.trial_timeout or PROBE_LIMIT
    for name in pool:
        words = {"path": str(session.folder.path), "name": name}
        job = session.job(f"probe {name}", probe_family, words, session.needs(), limit)
        session.executor.submit(job)
    answers: dict[str, Any] = {}
    for outcome in session.executor.results():
        name = outcome.key.removeprefix("probe ")
        if outcome.status == "done" and outcome.value is not None:
            answers[name] = {**outcome.value, "cause": None, "message": ""}
            note = name
        else:
            answers[name] = {
                "demand": None,
                "seconds": None,
                "cause": outcome.cause or "error",
                "message": outcome.message,
            }
            note = f"failed: {name}, {outcome.cause}"
        session.watcher.trial(title, len(answers), len(pool), None, note)
    return {name: answers[name] for name in pool}


def probe_family(path: str, name: str) -> dict[str, Any]:
    """Count a family on the meta device, then time a training step unless it is too large."""
    context = load_context(path)
    shape, architecture = context.dataset.input_shape, family_architecture(name)
    with torch.device("meta"):
        network = build_architecture(architecture, shape, context.classes)
    try:
        demand = demand_of(network, shape)
    except (RuntimeError, NotImplementedError):  # its forward pass looks at values
        network = build_architecture(architecture, shape, context.classes)
        demand = demand_of(network, shape)
    limit = getattr(context.config, "max_memory", None)
    too_large = limit is not None and demand.memory(_BATCH) > limit
    seconds = None if too_large else _step_seconds(path, name)
    return {"demand": asdict(demand), "seconds": seconds}


def _step_seconds(path: str, name: str) -> float:
    context = load_context(path)
    torch.manual_seed(0)
    network = build_architecture(
        family_architecture(name), context.dataset.input_shape, context.classes
    ).to(context.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    count = min(_BATCH, len(context.dataset.train))
    raw = context.dataset.train.inputs[:count].to(context.device)
    inputs = context.normaliser.to(context.device)(raw)
    labels = context.dataset.train.labels[:count].to(context.device)
    times = []
    for _ in range(1 + _STEPS):  # the first one also prepares
        begun = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(network(inputs), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        if context.device.type == "cuda":
            torch.cuda.synchronize(context.device)
        times.append(time.perf_counter() - begun)
    return min(times[1:]) / count
