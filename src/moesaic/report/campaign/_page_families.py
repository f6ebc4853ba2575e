"""The section on the families: cost, probe, how their mixtures fared, how they fare alone."""

from __future__ import annotations

from typing import Any

from moesaic.report._cost import cause_in_words
from moesaic.report._format import amount, number, percent, whole
from moesaic.report._judge import Judgement
from moesaic.report.campaign._page_coverage import count_families
from moesaic.report.campaign._page_material import CampaignMaterial, mapping, records


def build_families(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of this section reads: one row a family of the pool."""
    told = {str(row.get("name", "")): row for row in records(material.result.get("families"))}
    alone = {str(row.get("family", "")): row for row in records(material.result.get("singles"))}
    planned = count_families([p.families for p in material.planned], material.pool)
    done = count_families([p.families for p in material.done], material.pool)
    names = list(dict.fromkeys([*material.pool, *told]))
    best = max((number(row.get("accuracy")) or 0.0 for row in alone.values()), default=0.0)
    rows = []
    for name in names:
        row, single = mapping(told.get(name)), mapping(alone.get(name))
        score = number(single.get("accuracy"))
        rows.append(
            {
                "name": name,
                "macs": amount(row.get("macs", single.get("macs"))),
                "parameters": amount(row.get("parameters", single.get("parameters"))),
                "probe": _probe(row.get("probe")),
                "candidates": whole(row.get("candidates", planned.get(name))),
                "done": whole(row.get("done", done.get(name))),
                "mean": percent(row.get("mean_accuracy")),
                "alone": percent(score),
                "best": score is not None and score == best,
            }
        )
    return {"rows": rows, "alone": bool(alone), "baselines": _baselines(material)}


def _baselines(material: CampaignMaterial) -> bool:
    return material.config.get("baselines") is not False


def _probe(state: Any) -> Judgement:
    if state is None:
        return Judgement("open", "not probed")
    if state == "done":
        return Judgement("good", "done")
    return Judgement("bad", cause_in_words(str(state)))
