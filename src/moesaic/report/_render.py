"""From templates to a page in a run's directory; it knows no section."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined

from moesaic.bank import write_atomic
from moesaic.errors import InputError
from moesaic.runs import RunFolder


def fill(template: str, **parts: Any) -> str:
    """Return a template with its sections filled in.

    Args:
        template: its name under `templates/`.
        parts: what the sections read, by name.
    """
    return _environment().get_template(template).render(**parts)


def write_page(folder: RunFolder, page: str) -> Path:
    """Write a run's `report.html` whole or not at all, and return its path.

    Raises:
        InputError: nobody may write there.
        RunFailed: the disk is full.
    """
    content = page.encode("utf-8", "backslashreplace")  # names of folders may be no text

    def write(file: BinaryIO) -> None:
        file.write(content)

    try:
        write_atomic(folder.report_file, write)
    except OSError as error:
        raise InputError(
            f"cannot write {folder.report_file}: {os.strerror(error.errno or 0)}; copy the run to "
            "a place of your own"
        ) from None
    return folder.report_file


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # names of classes, families and paths come from data: everything is escaped unless a drawing
    # made here
    return Environment(
        loader=PackageLoader("moesaic.report"),
        autoescape=True,
        undefined=StrictUndefined,
    )
