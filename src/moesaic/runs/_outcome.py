"""Putting the evidence of a run together: result.json and the model that is handed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from moesaic.bank import Bank, Observation
from moesaic.data import Dataset
from moesaic.runs._context import load_partition, load_splits
from moesaic.runs._epochs import FIRST_EPOCHS
from moesaic.runs._final import Final
from moesaic.runs._hand_over import hand_over
from moesaic.runs._pace import rungs_of
from moesaic.runs._price import price_report
from moesaic.runs._result import (
    Scores,
    describe_variants,
    routing_report,
    score,
    trial_counts,
    values,
    verdict,
)
from moesaic.runs._session import SearchSession
from moesaic.runs._specialise import Choice, specialists_of
from moesaic.runs._structure import cluster_weight
from moesaic.runs._theory import theory
from moesaic.runs._variants import Design, gate_macs
from moesaic.surrogate import get_surrogate


@dataclass(frozen=True)
class Evidence:
    """All that the stages of a search found.

    Attributes:
        structure: the partition's quality.
        generalists: observations of the highest rung.
        design: of the final stage.
        choice: the experts and the routing.
        final: the final trainings.
        test: their measurement on the test split.
        how_many: how the number of experts was found; None where it was given.
    """

    structure: dict[str, Any]
    generalists: list[Observation]
    design: Design
    choice: Choice
    final: Final
    test: dict[str, dict[str, Any]]
    how_many: dict[str, Any] | None


def assemble(session: SearchSession, evidence: Evidence) -> dict[str, Any]:
    """Return what the run found and write the model that validation prefers."""
    bank, path = session.bank, str(session.folder.path)
    dataset, partition = load_splits(path), load_partition(path)
    scores = score(session.folder.predictions, evidence.final, dataset)
    decided = verdict(scores)
    decided["note"] = _cut_short(session, evidence.design.recipe.epochs)
    handed = decided["handed_over"]
    table = describe_variants(evidence.final, scores, evidence.test, handed)
    model = _hand_over(session, evidence, handed, scores, dataset)
    repeats = evidence.final.get(decided["mixture"] or "", {})
    routed = [evidence.test[members[0].trial.key] for members in repeats.values()]
    routing = routing_report(routed, dataset)
    seed = session.config.seed
    return {
        "run": path,
        "status": "done",
        "verdict": decided,
        "test_accuracy": table[handed]["test_accuracy"],
        "macs_active": table[handed]["macs_active"],
        "model": model,
        "mixture": table.get("mixture"),
        "baselines": {name: row for name, row in table.items() if name != "mixture"},
        "structure": evidence.structure,
        "routing": routing,
        "value": values(
            bank, evidence.generalists, evidence.choice, scores, dataset, partition, seed
        ),
        "selection": _describe_choice(evidence.choice, evidence.design),
        "price": _price(session, evidence),
        "how_many": evidence.how_many,
        "surrogate": _surrogate_report(session, evidence.design),
        "theory": theory(
            bank,
            evidence.design.space,
            evidence.choice,
            cluster_weight(partition),
            partition.validation,
            dataset.validation.labels,
            routing["usage"],
            seed,
        ),
        "rungs": list(rungs_of(session)),
        "epochs": evidence.design.recipe.epochs,
        "saturation": bank.meta("saturation"),
        "target_macs": evidence.design.target,
        "data": bank.meta("data"),
        "versions": bank.meta("versions"),
        "config": session.config.to_dict(),
        "trials": trial_counts(bank),
        "cost": _cost(bank),
    }


def _cut_short(session: SearchSession, epochs: int) -> str | None:
    """Return what a reader must know of final trainings that the budget ended early."""
    config = session.config
    least = min(FIRST_EPOCHS, config.most_epochs)
    if config.budget is None or config.epochs != "auto" or epochs >= least:
        return None
    return (
        f"The budget paid for {epochs} {'epoch' if epochs == 1 else 'epochs'} of final training, "
        f"where {least} are the least without one: give a longer --budget for a model and a "
        "verdict to rely on."
    )


def _hand_over(
    session: SearchSession, evidence: Evidence, name: str, scores: Scores, dataset: Dataset
) -> dict[str, Any]:
    """Write the preferred variant's best repeat, by validation, to the model folder."""
    repeats = evidence.final[name]
    right = scores.validation[name]
    best = max(right, key=lambda repeat: (float(right[repeat].mean()), -repeat))
    trial = repeats[best][0].trial
    told = {
        "variant": name,
        "repeat": best,
        "trial": trial.key,
        "validation_accuracy": float(right[best].mean()),
        "test_accuracy": float(scores.test[name][best].mean()),
    }
    hand_over(session, trial, dataset, told)
    return told


def _price(session: SearchSession, evidence: Evidence) -> dict[str, Any] | None:
    choice, design = evidence.choice, evidence.design
    return price_report(
        session.config,
        evidence.generalists,
        specialists_of(session.bank, design.count),
        choice.routing,
        choice.experts,
        cluster_weight(load_partition(str(session.folder.path))),
        gate_macs(design.input_shape, design.count, design.gate_size),
        design.space,
        session.bank.meta("gate"),
    )


def _describe_choice(choice: Choice, design: Design) -> dict[str, Any]:
    routing = np.asarray(choice.routing)
    return {
        "experts": [
            {
                "text": design.space.describe(architecture),
                "graph": [list(edge) for edge in design.space.graph(architecture)],
                "key": architecture.key,
                "widths": list(design.space.widths(architecture)),
                "macs": observation.macs,
                "parameters": observation.parameters,
                "clusters": [int(cluster) for cluster in np.flatnonzero(routing == position)],
                "specialised": observation.trial.subset is not None,
                "continued": observation.trial.parent is not None,
            }
            for position, (architecture, observation) in enumerate(
                zip(choice.architectures, choice.experts, strict=True)
            )
        ],
        "different": len({architecture.key for architecture in choice.architectures}),
        "routing": list(choice.routing),
        "objective": choice.objective,
        "unit": choice.unit,
        "history": list(choice.history),
        "proven_optimal": choice.proven,
        "single": {
            "text": design.space.describe(design.single),
            "graph": [list(edge) for edge in design.space.graph(design.single)],
            "widths": list(design.space.widths(design.single)),
        },
    }


def _surrogate_report(session: SearchSession, design: Design) -> dict[str, Any] | None:
    """Judge the surrogate on everything the lowest rung measured; None when that is nothing."""
    observations = session.bank.observations(stage="rung-0")
    if len(observations) < 2:
        return None
    surrogate = get_surrogate("blend", design.space, session.config.seed)
    surrogate.fit(observations)
    return surrogate.quality.to_dict()


def _cost(bank: Bank) -> dict[str, Any]:
    """Count what was paid: trainings, seconds of training, epochs of one network."""
    observations = bank.observations()
    return {
        "trainings": len(observations),
        "training_seconds": float(sum(found.seconds for found in observations)),
        "samples": int(sum(int(found.extra.get("samples", 0)) for found in observations)),
        "peak_memory": max((found.peak_memory for found in observations), default=0),
    }
