"""What a run found, as one JSON-able dictionary: verdict, baselines, values, trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank, Observation, read_predictions
from moesaic.data import Dataset, Split
from moesaic.errors import RunFailed
from moesaic.runs._evidence import mean_interval, paired_interval, standard_error
from moesaic.runs._final import Final
from moesaic.runs._specialise import STEP, Choice
from moesaic.seeds import generator
from moesaic.selection import Interval, can_be_halved, cross_fitted_heterogeneity
from moesaic.structure import Partition
from moesaic.training import sample_losses

SINGLES = ("single", "single_long")
MIXTURES = ("mixture", "homogeneous")

Right = dict[str, dict[int, NDArray[np.float64]]]


@dataclass(frozen=True)
class Scores:
    """Right answers of every variant, sample by sample.

    Attributes:
        validation: variant -> repeat -> 0 or 1 for every validation sample, (N_val,).
        test: the same on the test split, (N_test,).
    """

    validation: Right
    test: Right


def score(predictions: Path, final: Final, dataset: Dataset) -> Scores:
    """Score the stored predictions of the final stage; an ensemble's are averaged first.

    Args:
        predictions: the folder they are stored in.
        final: the final trainings.
        dataset: with its test split.
    """
    found = Scores({}, {})
    for name, repeats in final.items():
        for repeat, members in repeats.items():
            for right, split, suffix in (
                (found.validation, dataset.validation, ""),
                (found.test, dataset.test, "-test"),
            ):
                answers = _right(predictions, members, split, suffix)
                right.setdefault(name, {})[repeat] = answers
    return found


def _right(
    predictions: Path, members: list[Observation], split: Split, suffix: str
) -> NDArray[np.float64]:
    files = [predictions / f"{member.trial.key}{suffix}.npy" for member in members]
    probabilities = sum(np.exp(read_predictions(file).astype(np.float64)) for file in files)
    right: NDArray[np.float64] = (
        np.asarray(probabilities).argmax(axis=1) == split.labels.numpy()
    ).astype(np.float64)
    return right


def strongest(scores: Scores, names: tuple[str, ...]) -> str | None:
    """Return the variant among `names` with the best validation accuracy; ties to the first."""
    known = [name for name in names if scores.validation.get(name)]
    return max(known, key=lambda name: accuracy(scores.validation[name]), default=None)


def accuracy(repeats: dict[int, NDArray[np.float64]]) -> float:
    """Return the accuracy of a variant over all its repeats."""
    return float(np.mean([right.mean() for right in repeats.values()]))


def difference(right: Right, first: str | None, second: str | None) -> Interval | None:
    """Return the paired difference of two variants' accuracy over the repeats both have.

    None where a variant is missing or no repeat has both.
    """
    pairs = _pairs(right, first, second)
    return paired_interval(*pairs) if pairs else None


def _pairs(
    right: Right, first: str | None, second: str | None
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] | None:
    """Return the right answers of two variants in the repeats both have, None without one."""
    one, other = right.get(first or "", {}), right.get(second or "", {})
    common = sorted(one.keys() & other.keys())
    if not common:
        return None
    return [one[repeat] for repeat in common], [other[repeat] for repeat in common]


def verdict(scores: Scores) -> dict[str, Any]:
    """Decide by validation what is handed over, and say by test what it is worth.

    The simpler model wins within the noise: a mixture is handed over when its validation gain over
    the strongest single network of the same inference cost is more than its standard error, over
    samples and repeats. It is worth it when its test gain, too, has an interval above zero. Where
    only the latter is so, the sentence calls it open.
    """
    single, mixture = strongest(scores, SINGLES), strongest(scores, MIXTURES)
    pairs = _pairs(scores.validation, mixture, single)
    by_validation = paired_interval(*pairs) if pairs else None
    by_test = difference(scores.test, mixture, single)
    ahead = bool(pairs and by_validation and by_validation.mean > standard_error(*pairs))
    handed = mixture if ahead else single or mixture
    if handed is None:
        raise RunFailed("no final training succeeded: see moesaic status")
    worth = handed in MIXTURES and by_test is not None and by_test.low > 0
    return {
        "worth": worth,
        "handed_over": handed,
        "mixture": mixture,
        "single": single,
        "gain_validation": _plain(by_validation),
        "gain_test": _plain(by_test),
        "gains": {
            name: _plain(difference(scores.test, mixture, name))
            for name in scores.test
            if name not in MIXTURES
        },
        "sentence": _sentence(worth, handed, mixture, by_test, by_validation),
    }


def _sentence(
    worth: bool,
    handed: str,
    mixture: str | None,
    by_test: Interval | None,
    by_validation: Interval | None,
) -> str:
    if by_test is None or by_validation is None:
        return "No verdict: the mixture or the single network could not be trained."
    points = (
        f"{100 * by_test.mean:+.1f} points of test accuracy (95 % interval "
        f"{100 * by_test.low:+.1f} to {100 * by_test.high:+.1f}) against the best single network "
        "at the same inference cost"
    )
    # one that was built to be compared with may be the strongest
    which = "" if mixture == "mixture" else f" ({mixture})"
    if worth:
        return f"A mixture{which} is worth it on this data: {points}."
    if by_test.low > 0:
        return (
            f"Whether a mixture{which} is worth it on this data is open: {points}, but validation, "
            f"which decides, does not prefer it ({100 * by_validation.mean:+.1f}); the single "
            "network is handed over."
        )
    taken = (
        "validation prefers it all the same, so it is handed over"
        if handed in MIXTURES
        else "the single network is handed over"
    )
    doubt = " (no gain is proven)" if by_test.mean > 0 else ""
    return (
        f"A mixture{which} is not worth it on this data{doubt}: {points}, "
        f"{100 * by_validation.mean:+.1f} on validation; {taken}."
    )


def describe_variants(
    final: Final, scores: Scores, test: dict[str, dict[str, Any]], reference: str
) -> dict[str, dict[str, Any]]:
    """Return accuracy, cost and the difference to `reference` of every variant."""
    table = {}
    for name, repeats in final.items():
        runs = list(repeats.values())
        macs = [sum(int(test[m.trial.key]["macs"]) for m in members) for members in runs]
        table[name] = {
            "test_accuracy": accuracy(scores.test[name]),
            "validation_accuracy": accuracy(scores.validation[name]),
            "test_accuracies": [float(right.mean()) for right in scores.test[name].values()],
            "macs_active": int(np.mean(macs)),
            "parameters": int(np.mean([sum(m.parameters for m in ms) for ms in runs])),
            "training_passes": float(
                np.mean([sum(float(m.extra["passes"]) for m in ms) for ms in runs])
            ),
            "training_seconds": float(np.mean([sum(m.seconds for m in ms) for ms in runs])),
            "behind_reference": _plain(difference(scores.test, reference, name)),
            "trials": [[m.trial.key for m in members] for members in runs],
        }
    return table


def values(
    bank: Bank,
    generalists: list[Observation],
    choice: Choice,
    scores: Scores,
    dataset: Dataset,
    partition: Partition,
    seed: int,
) -> dict[str, Any]:
    """Return what heterogeneity, specialisation and the gate are worth, with intervals.

    Heterogeneity and specialisation are in nats of validation loss, the gate in accuracy on the
    test split: K copies of the best architecture with the taught gate against it alone. What
    cannot be told is None: heterogeneity where the validation split is too small to be halved.
    """
    labels = dataset.validation.labels
    losses = np.stack(
        [sample_losses(bank.predictions(found.trial.key), labels) for found in generalists]
    )
    count = min(len(choice.experts), len(generalists))
    heterogeneity = None
    if can_be_halved(partition.validation):
        honest = cross_fitted_heterogeneity(
            losses, partition.validation, count, rng=generator(seed, "heterogeneity")
        )
        heterogeneity = {**honest._asdict(), "unit": "nats"}
    found: dict[str, Any] = {
        "heterogeneity": heterogeneity,
        "specialisation": _specialisation(bank, len(choice.experts), dataset, partition),
        "gate": None,
    }
    gate = difference(scores.test, "homogeneous", strongest(scores, SINGLES))
    if gate is not None:
        found["gate"] = {**gate._asdict(), "unit": "accuracy"}
    different = difference(scores.test, "mixture", "homogeneous")
    if different is not None:
        found["different_experts"] = {**different._asdict(), "unit": "accuracy"}
    return found


def _specialisation(
    bank: Bank, experts: int, dataset: Dataset, partition: Partition
) -> dict[str, Any] | None:
    """Compare each expert continued on its clusters with the same continued on everything."""
    found = {
        observation.trial.index: observation
        for observation in bank.observations(stage=f"specialise-{experts}-0")
    }
    gains: list[NDArray[np.float64]] = []
    labels = dataset.validation.labels
    for group in range(experts):
        own, control = found.get(STEP * group), found.get(STEP * group + STEP - 1)
        if own is None or control is None or own.trial.subset is None:
            continue
        inside = np.asarray(own.trial.subset, dtype=bool)[partition.validation]
        pair = [
            sample_losses(bank.predictions(observation.trial.key), labels)[inside]
            for observation in (control, own)
        ]
        gains.append(pair[0] - pair[1])
    if not gains:
        return None
    return {**mean_interval(np.concatenate(gains))._asdict(), "unit": "nats"}


def routing_report(answers: list[dict[str, Any]], dataset: Dataset) -> dict[str, Any]:
    """Say how the gate routes the test split: use of the experts, agreement with the domains.

    Every value is None where no mixture could be trained.

    Args:
        answers: the final measurement of the mixture, one a repeat.
        dataset: with its test split.
    """
    agreements = []
    domains = dataset.test.domains
    for answer in answers:
        chosen = np.asarray(answer["experts_used"], np.int64)
        if domains is not None and len(chosen):
            table = np.zeros((int(chosen.max()) + 1, int(domains.max()) + 1), np.int64)
            np.add.at(table, (chosen, domains.numpy()), 1)
            agreements.append(float(table.max(axis=1).sum() / len(chosen)))
    return {
        "agreement_domains": float(np.mean(agreements)) if agreements else None,
        "agreement_domains_all": agreements,
        "usage": answers[0]["usage"] if answers else None,
        "expert_macs": answers[0]["expert_macs"] if answers else None,
        "gate_macs": answers[0]["gate_macs"] if answers else None,
        "accuracy_top": _mean(answers, "accuracy"),
        "accuracy_all_experts": _mean(answers, "accuracy_all"),
    }


def _mean(answers: list[dict[str, Any]], name: str) -> float | None:
    return float(np.mean([answer[name] for answer in answers])) if answers else None


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval._asdict()


def trial_counts(bank: Bank) -> dict[str, Any]:
    """Account for every trial: done, failed by cause, and lost (neither, at the end)."""
    counts = bank.counts()
    return {
        "done": counts["done"],
        "failed": counts["failed"],
        "lost": counts["planned"] + counts["running"],
        "causes": counts["causes"],
    }
