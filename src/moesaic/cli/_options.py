"""Options that several commands share, and how one is declared; it reads none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def option(help_text: str, default: str | None = None, metavar: str | None = None) -> Any:
    """Declare an option that is None unless it was given, so that a file's value survives.

    Args:
        help_text: what it is.
        default: shown to the person as what holds without it.
        metavar: shown for its value.
    """
    shown = help_text if default is None else f"{help_text} [default: {default}]"
    return typer.Option(help=shown, show_default=False, metavar=metavar)


Json = Annotated[
    bool, typer.Option("--json", help="print one JSON object on stdout, all else on stderr")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="print nothing but errors (and JSON with --json)")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="the directory of a run")]
CampaignPath = Annotated[
    Path,
    typer.Argument(metavar="FILE.csv|RUN", help="candidates in a CSV file, or a campaign's run"),
]

# What a search and a campaign share.
Data = Annotated[
    str | None,
    option("what to learn from: names and paths, joined by +", "mosaic", metavar="SPEC"),
]
ImageSize = Annotated[
    int | None, option("side images are brought to, in pixels", "their own", metavar="NUMBER")
]
Budget = Annotated[
    str | None, option("time the run should take: 90, 45s, 5m, 2h", "none", metavar="TIME")
]
Seed = Annotated[int | None, option("of everything random", "0", metavar="NUMBER")]
Workers = Annotated[int | None, option("worker processes", "2", metavar="NUMBER")]
Device = Annotated[str | None, option("cpu, cuda or auto", "auto", metavar="NAME")]
ExecutorName = Annotated[str | None, option("process, inprocess or ray", "process", metavar="NAME")]
Address = Annotated[
    str | None,
    option("Ray cluster to join, host:port or auto", "a local one", metavar="HOST:PORT"),
]
Storage = Annotated[str | None, option("database URL", "SQLite in the run", metavar="URL")]
ConfigFile = Annotated[
    Path | None, option("YAML file of settings; what is given here wins", metavar="FILE")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="any other setting, e.g. recipe.lr=0.01; repeatable"
    ),
]
