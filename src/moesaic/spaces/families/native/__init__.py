"""Native families: importing this package registers every one of them; it lists none by hand."""

from __future__ import annotations

import importlib
import pkgutil

for _name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_name}")
