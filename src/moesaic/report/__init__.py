"""Report: the evidence of a run as one HTML file for a person."""

from moesaic.report._write import write_report

__all__ = ["write_report"]
