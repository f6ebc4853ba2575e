"""Adds to the result of a finished campaign which families pay; the runs below know no analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moesaic.errors import InputError
from moesaic.report.campaign._candidates import read_candidates
from moesaic.report.campaign._yield import family_yield


def record_yield(folder: Path) -> dict[str, Any]:
    """Write `yield` into `result.json`, None where there is too little to tell by; return it all.

    Args:
        folder: the directory of a finished campaign.

    Raises:
        InputError: there is no campaign, or it is not finished.
    """
    from moesaic.runs import open_run, write_json

    run = open_run(folder)
    result = run.result()
    if "yield" not in result:
        try:
            result["yield"] = dict(family_yield(read_candidates(folder)))
        except InputError:  # too few candidates
            result["yield"] = None
        write_json(run.folder.result_file, result)
    return run.result()
