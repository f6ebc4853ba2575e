"""`moesaic export`: a copy of the model a run handed over; it converts nothing itself."""

from __future__ import annotations

import shutil
import zlib
from json import loads
from pathlib import Path
from typing import Annotated, BinaryIO
from zipfile import BadZipFile, ZipFile

import typer

from moesaic.cli._faults import in_run
from moesaic.cli._options import Json, RunPath, option
from moesaic.cli._output import Answer, answer
from moesaic.errors import InputError, unknown_name

_FORMATS = ("pt2",)
_MEND = "delete {run}/result.json, then moesaic resume {run} writes the model again"


def export(
    run: RunPath,
    kind: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help="pt2: a torch.export program that torch alone runs"
        ),
    ] = "pt2",
    out: Annotated[Path | None, option("the file to write", "model.pt2", metavar="FILE")] = None,
    json: Json = False,
) -> None:
    """Write a copy of the model that a finished run handed over, or of a cascade's."""

    def work() -> Answer:
        if kind not in _FORMATS:
            raise unknown_name("format", kind, _FORMATS)
        with in_run(run):
            path = _copy_model(run, out or Path("model.pt2"))
        payload = {"run": str(run), "status": "done", "format": kind, "model": str(path)}
        return Answer(payload, lambda: str(path))

    answer(json, work)


def _copy_model(run: Path, out: Path) -> Path:
    from moesaic.runs import RunFolder, is_cascade, open_run

    folder, mend = RunFolder(run), "moesaic cascade writes it again, in a new directory"
    if not is_cascade(folder):
        opened = open_run(run)
        opened.result()
        folder, mend = opened.folder, _MEND.format(run=run)
    source = folder.model / "model.pt2"
    if not source.is_file() and (why := _not_exported(folder.model)):
        raise InputError(f"torch cannot export this model ({why}): moesaic.load_model takes it")
    if not source.is_file():
        raise InputError(f"{source} is missing: {mend}")
    if not _is_whole(source):
        raise InputError(f"{source} is damaged: {mend}")
    if out.is_dir():
        out = out / source.name
    try:
        with source.open("rb") as program, out.open("xb") as copy:
            _copy_or_remove(program, copy, out)
    except FileExistsError:
        raise InputError(f"{out} exists: give another file with --out") from None
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        why = f"{error.strerror}; give another file with --out"
        raise InputError(f"cannot write {out}: {why}") from None
    return out


def _not_exported(model: Path) -> str | None:
    """Return why a model has no exported program, None where it should have one."""
    try:
        told = loads((model / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(told["not_exported"]) if isinstance(told, dict) and "not_exported" in told else None


def _is_whole(program: Path) -> bool:
    """Whether an exported program, a zip file, can be read to its end."""
    try:
        with ZipFile(program) as stored:
            return stored.testzip() is None
    except (BadZipFile, OSError, ValueError, zlib.error):
        return False


def _copy_or_remove(program: BinaryIO, copy: BinaryIO, out: Path) -> None:
    try:
        shutil.copyfileobj(program, copy)
        copy.flush()
    except BaseException:
        out.unlink(missing_ok=True)  # half a model is none
        raise
