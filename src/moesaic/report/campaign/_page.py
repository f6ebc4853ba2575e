"""Writes the page of a finished campaign; what each section says is decided in its own module."""

from __future__ import annotations

from pathlib import Path

from moesaic.report._render import fill, write_page
from moesaic.report.campaign._page_cost import build_cost, build_reproduce
from moesaic.report.campaign._page_coverage import build_coverage
from moesaic.report.campaign._page_curve import build_curve
from moesaic.report.campaign._page_failures import build_failures
from moesaic.report.campaign._page_families import build_families
from moesaic.report.campaign._page_material import CampaignMaterial, read_campaign
from moesaic.report.campaign._page_overview import build_overview
from moesaic.report.campaign._page_router import build_router
from moesaic.report.campaign._page_rungs import build_rungs
from moesaic.report.campaign._page_table import build_table
from moesaic.report.campaign._page_yield import build_yield


def write_campaign_report(folder: Path) -> Path:
    """Write `report.html` into the directory of a finished campaign and return its path.

    Like the report of a search it is one file that needs no network and holds no script, and the
    same run gives the same bytes. It is made from `result.json` alone, whose data, weights and
    database may be gone; what that does not hold is left out and said so.

    Args:
        folder: the run directory.

    Raises:
        InputError: there is no run, or it is not finished.
        RunFailed: the disk is full.
    """
    material = read_campaign(Path(folder))
    return write_page(material.folder, render_campaign(material))


def render_campaign(material: CampaignMaterial) -> str:
    """Return the whole page."""
    return fill(
        "campaign/report.html",
        overview=build_overview(material),
        final=build_table(material),
        curve=build_curve(material),
        coverage=build_coverage(material),
        gain=build_yield(material),
        failures=build_failures(material),
        router=build_router(material),
        rungs=build_rungs(material),
        families=build_families(material),
        cost=build_cost(material),
        reproduce=build_reproduce(material),
    )
