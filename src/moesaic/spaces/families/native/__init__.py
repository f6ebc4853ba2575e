"""Native families: importing this package imports its modules, and they register theirs."""

from __future__ import annotations

import importlib
import pkgutil

for _found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
    importlib.import_module(f"{__name__}.{_found.name}")
