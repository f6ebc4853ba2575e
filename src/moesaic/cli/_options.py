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
