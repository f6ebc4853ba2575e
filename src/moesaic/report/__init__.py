"""Report: the evidence of a run as one HTML file for a person.

The page is imported when it is first asked for: the analysis of campaigns needs none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moesaic.report._write import write_report

__all__ = ["write_report"]

if not TYPE_CHECKING:  # a type checker would take any name for known

    def __getattr__(name: str) -> Any:
        """Import `write_report` when it is first asked for."""
        if name not in __all__:
            raise AttributeError(f"module 'moesaic.report' has no attribute '{name}'")
        from moesaic.report._write import write_report

        return write_report
