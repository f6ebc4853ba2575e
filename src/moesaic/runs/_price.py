"""What compute costs in a search: the price that guides it, and the front its choice lies on.

A price is points of accuracy per million multiply-accumulates in settings and results, and a share
of right answers per one of them in here: what is chosen in the end is chosen by wrong answers.
Strategies and promotions are guided in nats, which tell more after few epochs; the generalists say
how many nats a wrong answer is. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation
from moesaic.config import SearchConfig
from moesaic.errors import InputError
from moesaic.runs._variants import gate_macs
from moesaic.seeds import generator
from moesaic.selection import Limits, cheapest_as_good, front, shadow_price
from moesaic.spaces import SearchSpace

PER_MAC = 1e-8  # of a price in points per million
UNIT = "points of accuracy per million MACs"
_STEEP = 10.0
_DRAWS = 64


def price_of(config: SearchConfig) -> float:
    """Return the price that was set, share of right answers per multiply-accumulate, else 0."""
    return PER_MAC * (config.price or 0.0)


def limit_of(config: SearchConfig, gate: int) -> float | None:
    """Return what `max_macs` leaves to the experts of a mixture, None without a limit."""
    return None if config.max_macs is None else config.max_macs - gate


def guide_price(
    config: SearchConfig,
    observations: Sequence[Observation],
    weight: NDArray[np.float64],
    experts: int,
    gate: int,
) -> float:
    """Return the price that proposals and promotions are judged by, nats per multiply-accumulate.

    The one that was set, in nats by what a wrong answer comes to among these observations, or the
    shadow price of the limit on them where that is higher: both tell what a multiply-accumulate
    more must save.

    Args:
        config: the settings.
        observations: generalists of one rung.
        weight: shares (M,) of the clusters.
        experts: K.
        gate: multiply-accumulates of the gate.
    """
    price = price_of(config) * nats_of_a_mistake(observations, weight)
    limit = limit_of(config, gate)
    if limit is None or len(observations) < experts:
        return price
    loss = np.nan_to_num(np.stack([found.loss for found in observations]), nan=0.0)
    macs = np.array([found.macs for found in observations], dtype=np.float64)
    shadow = shadow_price(loss, weight, macs, experts, limit)
    if not np.isfinite(shadow):
        # nothing keeps to the limit yet: only cost counts
        shadow = _STEEP * float(np.ptp(loss @ weight)) / max(float(np.ptp(macs)), 1.0)
    return max(price, shadow)


def nats_of_a_mistake(observations: Sequence[Observation], weight: NDArray[np.float64]) -> float:
    """Return how many nats of loss go with one more wrong answer a sample; 1 where nothing tells.

    The ratio of the deviations of both among the observations, over all data: which of the two is
    the noisier one does not matter then, as it would to a slope.

    Args:
        observations: of experts.
        weight: shares (M,) of the clusters.
    """
    if not observations:
        return 1.0
    loss = np.stack([np.nan_to_num(found.loss, nan=0.0) for found in observations]) @ weight
    error = np.stack([np.nan_to_num(found.loss, nan=0.0) for found in mistaken(observations)])
    apart = float(np.std(error @ weight))
    return float(np.std(loss)) / apart if apart > 0 else 1.0


def mistaken(observations: Sequence[Observation]) -> list[Observation]:
    """Return the observations with the share of wrong answers (M,) in place of the loss."""
    return [replace(found, loss=1.0 - found.accuracy) for found in observations]


def priced(observations: Sequence[Observation], price: float) -> list[Observation]:
    """Return the observations with what their compute costs added to every loss.

    Args:
        observations: of experts.
        price: nats per multiply-accumulate; 0 leaves them as they are.
    """
    if price == 0.0:
        return list(observations)
    return [replace(found, loss=found.loss + price * found.macs) for found in observations]


def check_limit(
    config: SearchConfig, space: SearchSpace, input_shape: tuple[int, ...], classes: int
) -> None:
    """Refuse a limit that no network of the space will keep to; a few draws tell.

    Raises:
        InputError: even the smallest of them is above it.
    """
    if config.max_macs is None:
        return
    rng = generator(config.seed, "limit")
    known = [space.estimate_macs(space.sample(rng), input_shape, classes) for _ in range(_DRAWS)]
    costs = [macs for macs in known if macs is not None]
    gate = gate_macs(input_shape, 2)
    if costs and min(costs) + gate > config.max_macs:
        raise InputError(
            f"max_macs {config.max_macs:,.0f} is too low: the smallest of {_DRAWS} networks drawn "
            f"needs {min(costs):,} and the gate {gate:,}; raise it or add smaller width_choices"
        )


def price_report(
    config: SearchConfig,
    generalists: Sequence[Observation],
    specialists: Sequence[Observation],
    routing: Sequence[int],
    chosen: Sequence[Observation],
    weight: NDArray[np.float64],
    gate: int,
    space: SearchSpace,
    gates: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Return the front of the bank and what experts of different size save on it, JSON-able.

    Errors are those of the bank, shares of wrong answers on validation; MACs are expected ones of
    a sample, weighted by the shares of the clusters, gate counted. The saving compares generalists
    only, because only few architectures were ever specialised: mixtures of K of them against K
    copies of one, whose gate decides nothing.

    Args:
        config: the settings.
        generalists: of the highest rung.
        specialists: continued from them on clusters.
        routing: the chosen expert of every cluster, (M,).
        chosen: the chosen experts, (K,).
        weight: shares (M,) of the clusters.
        gate: multiply-accumulates of the gate.
        space: describes architectures.
        gates: the sizes of the gate that were tried.
    """
    if not config.priced:
        return None
    experts = len(chosen)
    generalists, chosen = mistaken(generalists), mistaken(chosen)
    bank = [*generalists, *mistaken(specialists)]
    serving = [chosen[expert] for expert in routing]
    macs = float(sum(w * found.macs for w, found in zip(weight, serving, strict=True)))
    losses = np.array([found.loss[place] for place, found in enumerate(serving)])
    copies = _copies(generalists, weight, gate, space)
    free = _front(generalists, weight, experts, gate, space)
    return {
        "price": config.price,
        "max_macs": config.max_macs,
        "unit": UNIT,
        "gate_macs": gate,
        "gate": gates,
        "chosen": {"macs": macs + gate, "error": float(np.nan_to_num(losses) @ weight)},
        "front": _front(bank, weight, experts, gate, space),
        "generalists": free,
        "homogeneous": copies,
        "equal_accuracy": _savings(free, copies),
    }


def _front(
    bank: Sequence[Observation],
    weight: NDArray[np.float64],
    experts: int,
    gate: int,
    space: SearchSpace,
) -> list[dict[str, Any]]:
    loss = np.stack([found.loss for found in bank])
    macs = [float(found.macs) for found in bank]
    few = min(experts, len(bank))
    points = front(loss, weight, macs, few, gate=gate, limits=Limits())
    return [
        {
            "macs": point.macs,
            "error": point.objective,
            "experts": [_words(bank[row], space) for row in point.chosen],
            "routing": point.routing.argmax(axis=1).tolist(),
        }
        for point in points
    ]


def _copies(
    generalists: Sequence[Observation],
    weight: NDArray[np.float64],
    gate: int,
    space: SearchSpace,
) -> list[dict[str, Any]]:
    """Return the front of one architecture for all clusters, behind the same gate."""
    told = [
        (float(found.macs + gate), float(np.nan_to_num(found.loss, nan=1e3) @ weight), place)
        for place, found in enumerate(generalists)
    ]
    kept: list[dict[str, Any]] = []
    for macs, error, place in sorted(told):
        if not kept or error < kept[-1]["error"]:
            text = _words(generalists[place], space)
            kept.append({"macs": macs, "error": error, "experts": [text]})
    return kept


def _savings(
    mixtures: list[dict[str, Any]], copies: list[dict[str, Any]]
) -> list[dict[str, float]]:
    """Compare every homogeneous choice with the cheapest mixture that is as good."""
    points = [(point["macs"], point["error"]) for point in mixtures]
    found = []
    for copy in copies:
        macs = cheapest_as_good(points, copy["error"])
        # the mixtures' front is thinned: where it has nothing near, the copies are a mixture too
        macs = min(copy["macs"], copy["macs"] if macs is None else macs)
        found.append(
            {
                "error": copy["error"],
                "homogeneous_macs": copy["macs"],
                "macs": macs,
                "saving": 1.0 - macs / copy["macs"],
            }
        )
    return found


def _words(observation: Observation, space: SearchSpace) -> str:
    architecture = observation.trial.architecture
    return "" if architecture is None else space.describe(architecture)
