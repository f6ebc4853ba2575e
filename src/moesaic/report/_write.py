"""Writes the report of a finished run; what each section says is decided in its own module."""

from __future__ import annotations

from pathlib import Path

from moesaic.report._cost import build_cost, build_reproduce
from moesaic.report._experts import build_experts
from moesaic.report._material import Material, read_material
from moesaic.report._overview import build_overview
from moesaic.report._price import build_price
from moesaic.report._render import fill, write_page
from moesaic.report._search import build_search, legend_of_rungs
from moesaic.report._structure import build_structure
from moesaic.report._theory import build_theory
from moesaic.report._value import build_value
from moesaic.report._variants import build_variants
from moesaic.report.campaign._page import write_campaign_report
from moesaic.runs import open_folder, read_result


def write_report(folder: Path) -> Path:
    """Write `report.html` into the directory of a finished search or campaign, return its path.

    One file that needs no network and holds no script; written whole or not at all. The same run
    gives the same bytes. What the run does not hold (data removed, no baselines, no surrogate)
    is left out and said so.

    Args:
        folder: the run directory.

    Raises:
        InputError: there is no run, or it is not finished.
        RunFailed: the disk is full.
    """
    opened = open_folder(Path(folder))
    if read_result(opened).get("kind") == "campaign":
        return write_campaign_report(opened.path)
    material = read_material(opened.path)
    return write_page(material.folder, render(material))


def render(material: Material) -> str:
    """Return the whole page of a search."""
    return fill(
        "report.html",
        overview=build_overview(material),
        variants=build_variants(material),
        structure=build_structure(material),
        experts=build_experts(material),
        search=build_search(material),
        rung_legend=legend_of_rungs(material),
        value=build_value(material),
        price=build_price(material),
        theory=build_theory(material),
        cost=build_cost(material),
        reproduce=build_reproduce(material),
    )
