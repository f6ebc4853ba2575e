"""The top of a campaign page: verdict, account of all mixtures, coverage, use of the model."""

from __future__ import annotations

from math import comb
from typing import Any

from moesaic.report._cost import cause_in_words
from moesaic.report._format import amount, duration, listed, number, percent, whole
from moesaic.report._judge import Judgement
from moesaic.report._overview import build_code, build_data
from moesaic.report.campaign._page_coverage import count_families, count_pairs
from moesaic.report.campaign._page_material import (
    CampaignMaterial,
    group_counts,
    joined,
    mapping,
    plural,
)
from moesaic.report.campaign._page_table import rows_of, title_of

_STATES = (("lost", "lost"), ("not_begun", "not begun"))
_CAUSE_COLOURS = (5, 1, 7, 3, 4, 2)


def build_overview(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of this section reads."""
    result = material.result
    verdict = mapping(result.get("verdict"))
    handed = str(verdict.get("handed_over", ""))
    rows = rows_of(result)
    ours = mapping(rows.get(handed))
    single = str(verdict.get("single", ""))
    other = single if handed != single else "mixture"
    data = mapping(result.get("data"))
    return {
        "sentence": str(verdict.get("sentence", "No verdict was reached.")),
        "judgement": _judge(verdict),
        "handed": title_of(handed, material.experts) if handed else "nothing",
        "families": joined(ours.get("families") or []),
        "accuracy": percent(result.get("test_accuracy", ours.get("test_accuracy"))),
        "validation": percent(ours.get("validation_accuracy")),
        "other": title_of(other, material.experts) if other in rows else "",
        "other_words": "the mixture" if other == "mixture" else "the best family alone",
        "other_accuracy": percent(mapping(rows.get(other)).get("test_accuracy")),
        "macs": amount(ours.get("macs_active")),
        "other_macs": amount(mapping(rows.get(other)).get("macs_active")),
        "cost": _cost(result),
        "account": _account(material),
        "coverage": _coverage(material),
        "data": build_data(data, str(material.config.get("data", "the data"))),
        "code": build_code(material.folder, data, mapping(result.get("model")))
        if result.get("model")
        else None,
    }


def _judge(verdict: dict[str, Any]) -> Judgement:
    worth = verdict.get("worth")
    if worth is None:
        return Judgement("open", "nothing beside it" if verdict else "no verdict")
    return Judgement("good", "worth it") if worth else Judgement("bad", "not worth it")


def _cost(result: dict[str, Any]) -> dict[str, Any]:
    cost = mapping(result.get("cost"))
    return {
        "trainings": whole(cost.get("trainings")),
        "training_seconds": duration(cost.get("training_seconds")),
        "seconds": duration(result.get("seconds")),
        "has_seconds": number(result.get("seconds")) is not None,
        "known": number(cost.get("trainings")) is not None,
    }


def _account(material: CampaignMaterial) -> dict[str, Any] | None:
    """Return what became of every planned mixture, in words and as the parts of a bar."""
    told = mapping(material.result.get("trials")) or _counted(material)
    planned = number(told.get("planned"))
    if not planned:
        return None
    failed = {
        cause_in_words(str(cause)): int(number(count) or 0)
        for cause, count in mapping(told.get("failed")).items()
    }
    parts = [_part("done", told.get("done"), "var(--accent)")]
    for place, (cause, count) in enumerate(failed.items()):
        colour = _CAUSE_COLOURS[place % len(_CAUSE_COLOURS)]
        parts.append(_part(f"failed: {cause}", count, f"var(--s{colour})"))
    parts += [
        _part(words, told.get(name), f"var(--{colour})")
        for (name, words), colour in zip(_STATES, ("muted", "line"), strict=True)
    ]
    retried = int(number(told.get("retried")) or 0)
    return {
        "planned": whole(planned),
        "parts": [part for part in parts if part["count"]],
        "text": _account_line(told, failed),
        "retried": retried,
    }


def _counted(material: CampaignMaterial) -> dict[str, Any]:
    """Count the candidates, where the result holds no account."""
    states = group_counts(lambda mixture: mixture.status, list(material.planned))
    failures = [mixture for mixture in material.planned if mixture.status == "failed"]
    return {
        "planned": len(material.planned),
        "done": states.get("done", 0),
        "failed": group_counts(lambda mixture: mixture.cause or "error", failures),
        "lost": states.get("lost", 0),
        "not_begun": states.get("planned", 0),
        "retried": sum(mixture.retries > 0 for mixture in material.planned),
    }


def _part(words: str, count: Any, colour: str) -> dict[str, Any]:
    known = int(number(count) or 0)
    return {"words": words, "count": known, "shown": whole(known), "colour": colour}


def _account_line(told: dict[str, Any], failed: dict[str, int]) -> str:
    """Write the account of a campaign in one line."""
    causes = ", ".join(f"{whole(count)} {cause}" for cause, count in failed.items())
    total = sum(failed.values())
    words = [f"{whole(told.get('done'))} done"]
    words.append(f"{whole(total)} failed" + (f" ({causes})" if causes else ""))
    words += [f"{whole(told[name])} {text}" for name, text in _STATES if told.get(name)]
    count = int(number(told.get("planned")) or 0)
    return f"{whole(count)} {plural(count, 'mixture', 'mixtures')} planned: {listed(words)}"


def _coverage(material: CampaignMaterial) -> str:
    """Write in one line which part of all mixtures is done."""
    if not material.planned or not material.experts:
        return ""
    space = comb(len(material.pool), material.experts)
    done = [mixture.families for mixture in material.done]
    different = len({frozenset(families) for families in done})
    families = count_families(done, material.pool).values()
    pairs = count_pairs(done, material.pool).values()
    words = (
        f"{whole(different)} of the {whole(space)} mixtures of {material.experts} out of "
        f"{len(material.pool)} families are done"
    )
    if space:
        share = different / space
        words += f" ({percent(share, 1 if share >= 0.001 else 3)})"
    return (
        f"{words}; every family is in {_between(list(families))} of them, "
        f"every pair of families in {_between(list(pairs))}"
    )


def _between(counts: list[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return whole(low) if low == high else f"{whole(low)} to {whole(high)}"
