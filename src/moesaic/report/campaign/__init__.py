"""Campaigns: what they covered, which families pay, and their page."""

from moesaic.report.campaign._audit import audit
from moesaic.report.campaign._candidates import Candidate, read_candidates, read_pool
from moesaic.report.campaign._plot import plot_effects
from moesaic.report.campaign._record import record_yield
from moesaic.report.campaign._yield import family_yield, predict_accuracy

__all__ = [
    "Candidate",
    "audit",
    "family_yield",
    "plot_effects",
    "predict_accuracy",
    "read_candidates",
    "read_pool",
    "record_yield",
]
