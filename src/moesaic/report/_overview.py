"""The top of the report: the verdict, what it cost, what was handed over and how to use it."""

from __future__ import annotations

from typing import Any

from moesaic.report._format import amount, duration, number, percent, whole
from moesaic.report._judge import Judgement
from moesaic.report._material import Material
from moesaic.report._variants import rows_of, title_of
from moesaic.runs import RunFolder

SINGLES = ("single", "single_long")


def build_overview(material: Material) -> dict[str, Any]:
    """Return what the template of this section reads."""
    result = material.result
    verdict = result.get("verdict") or {}
    handed = str(verdict.get("handed_over", ""))
    experts = len(material.experts)
    rows = rows_of(result)
    cost = result.get("cost") or {}
    ours = rows.get(handed, {})
    single = str(verdict.get("single", "single"))
    other = single if handed != single else str(verdict.get("mixture", "mixture"))
    return {
        "sentence": str(verdict.get("sentence", "No verdict was reached.")),
        "note": str(verdict.get("note") or ""),
        "judgement": _judge(verdict),
        "handed": title_of(handed, experts),
        "is_mixture": handed not in SINGLES,
        "experts": experts,
        "top_k": min(material.config.top_k, max(1, experts)),
        "accuracy": percent(result.get("test_accuracy")),
        "macs": amount(ours.get("macs_active", result.get("macs_active"))),
        "other": title_of(other, experts) if other in rows else "",
        "other_words": "the single network" if other in SINGLES else "the mixture",
        "other_macs": amount(rows.get(other, {}).get("macs_active")),
        "other_accuracy": percent(rows.get(other, {}).get("test_accuracy")),
        "trainings": whole(cost.get("trainings")),
        "training_seconds": duration(cost.get("training_seconds")),
        "seconds": duration(result.get("seconds")),
        "has_seconds": number(result.get("seconds")) is not None,
        "data": build_data(result.get("data") or {}, material.config.data),
        "code": build_code(material.folder, result.get("data") or {}, result.get("model")),
        "model_accuracy": percent((result.get("model") or {}).get("test_accuracy")),
        "repeats": len(ours.get("test_accuracies") or []),
    }


def _judge(verdict: dict[str, Any]) -> Judgement:
    if verdict.get("worth"):
        return Judgement("good", "worth it")
    if verdict.get("handed_over") in ("mixture", "homogeneous"):
        return Judgement("open", "not proven")
    gain = verdict.get("gain_test")
    if not gain:
        return Judgement("open", "no verdict")
    if (number(gain.get("low")) or 0.0) > 0:
        return Judgement("open", "not proven")
    return Judgement("bad", "not worth it")


def build_data(told: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what a template says about the data.

    Args:
        told: what the run recorded about them.
        name: of the data, where it recorded none.
    """
    shape = [int(size) for size in told.get("input_shape") or []]
    if len(shape) == 3:
        colours = "grey" if shape[0] == 1 else "colour" if shape[0] == 3 else f"{shape[0]}-channel"
        kind = f"{colours} images of {shape[1]} × {shape[2]} pixels"
    else:
        kind = f"vectors of {shape[0]} numbers" if shape else "samples"
    samples = told.get("samples") or {}
    return {
        "name": str(told.get("name", name)),
        "kind": kind,
        "samples": {part: whole(count) for part, count in samples.items()},
        "classes": len(told.get("classes") or {}),
        "domains": list(told.get("domains") or {}),
        "skipped": int(told.get("skipped") or 0),
        "notes": [str(note) for note in told.get("notes") or []],
    }


def build_code(
    folder: RunFolder, told: dict[str, Any], model: dict[str, Any] | None = None
) -> dict[str, str]:
    """Return three lines for moesaic and three for torch alone.

    Args:
        folder: of the run.
        told: what the run recorded about its data.
        model: what it recorded about its model; says whether torch could export it.
    """
    why = (model or {}).get("not_exported")
    path = str(folder.path)
    shape = ", ".join(str(size) for size in told.get("input_shape") or ["..."])
    kind = "uint8" if len(told.get("input_shape") or []) == 3 else "float32"
    classes = len(told.get("classes") or {})
    note = f"# {kind} (B, {shape}) -> (B, {classes})"
    program = str(folder.model / "model.pt2")
    return {
        "moesaic": f"import moesaic\nmodel = moesaic.load_model({path!r})\n"
        f"logits = model(samples)  {note}",
        "why": str(why or ""),
        "torch": ""
        if why
        else f"import torch\nmodel = torch.export.load({program!r}).module()\n"
        f"logits = model(samples)  {note}",
    }
