"""Selection: which experts, who serves which cluster, and what difference is worth."""

from moesaic.selection._heterogeneity import (
    Interval,
    cross_fitted_heterogeneity,
    value_of_heterogeneity,
)
from moesaic.selection._problem import Limits, Selection
from moesaic.selection._select import select
from moesaic.selection.subsets import SCORES, Members, Ranked, Ranking, score_subsets

__all__ = [
    "SCORES",
    "Interval",
    "Limits",
    "Members",
    "Ranked",
    "Ranking",
    "Selection",
    "cross_fitted_heterogeneity",
    "score_subsets",
    "select",
    "value_of_heterogeneity",
]
