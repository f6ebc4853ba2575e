"""Writes the report of a finished run; what each section says is decided in its own module."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined

from moesaic.bank import write_atomic
from moesaic.report._cost import build_cost, build_reproduce
from moesaic.report._experts import build_experts
from moesaic.report._material import Material, read_material
from moesaic.report._overview import build_overview
from moesaic.report._search import build_search, legend_of_rungs
from moesaic.report._structure import build_structure
from moesaic.report._value import build_value
from moesaic.report._variants import build_variants


def write_report(folder: Path) -> Path:
    """Write `report.html` into the directory of a finished run and return its path.

    One file that needs no network and holds no script; written whole or not at all. The same run
    gives the same bytes. What the run does not hold (data removed, no baselines, no surrogate)
    is left out and said so.

    Args:
        folder: the run directory.

    Raises:
        InputError: there is no run, or it is not finished.
        RunFailed: the disk is full.
    """
    material = read_material(Path(folder))
    content = render(material).encode()

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_atomic(material.folder.report_file, write)
    return material.folder.report_file


def render(material: Material) -> str:
    """Return the whole page."""
    return (
        _environment()
        .get_template("report.html")
        .render(
            overview=build_overview(material),
            variants=build_variants(material),
            structure=build_structure(material),
            experts=build_experts(material),
            search=build_search(material),
            rung_legend=legend_of_rungs(material),
            value=build_value(material),
            cost=build_cost(material),
            reproduce=build_reproduce(material),
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # names of classes and paths come from data: everything is escaped unless a drawing made here
    return Environment(
        loader=PackageLoader("moesaic.report"),
        autoescape=True,
        undefined=StrictUndefined,
    )
