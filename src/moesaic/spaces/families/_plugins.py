"""Plugins: Python files that a person names and that register families; no others are executed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path

from moesaic.errors import InputError
from moesaic.spaces.families._registry import registering
from moesaic.spaces.families._words import in_one_line

# By resolved path: what each registered. A file is executed once in a process.
_LOADED: dict[Path, tuple[str, ...]] = {}


def load_plugin(path: str | Path) -> tuple[str, ...]:
    """Execute a Python file that registers families; a second time, do nothing.

    The file is executed with all rights of this process: only name files that you trust. When it
    fails, what it had registered is forgotten.

    Args:
        path: of a file that calls `moesaic.spaces.register_family` or uses `family`.

    Returns:
        The names that the file registered, in order.

    Raises:
        InputError: there is no such file, it raises, or it registers nothing.
    """
    file = Path(os.path.expanduser(path)).resolve()
    if file in _LOADED:
        return _LOADED[file]
    if not file.is_file():
        raise InputError(f"there is no plugin {path}: name a Python file that registers families")
    with registering() as names:
        _execute(file, path)
        if not names():
            raise InputError(
                f"plugin {path} registers no family: call moesaic.spaces.register_family(name, "
                "build) in it"
            )
        _LOADED[file] = names()
    return _LOADED[file]


def _execute(file: Path, shown: str | Path) -> None:
    private = f"_moesaic_plugin_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(private, file)
    if spec is None or spec.loader is None:
        raise InputError(f"plugin {shown} is no Python file: its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module  # dataclasses look their own module up there
    try:
        spec.loader.exec_module(module)
    except MemoryError:
        raise
    except Exception as error:
        del sys.modules[private]
        raise InputError(
            f"plugin {shown} failed{_where(error, file)}: {in_one_line(error)}"
        ) from error


def _where(error: Exception, file: Path) -> str:
    """Return the last line of the file that was being executed, as words."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f" in line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    return f" in line {lines[-1]}" if lines else ""
