"""Selection: which experts, who serves which cluster, and what difference is worth."""

from moesaic.selection._front import FrontPoint, cheapest_as_good, front, shadow_price
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
    "FrontPoint",
    "Interval",
    "Limits",
    "Members",
    "Ranked",
    "Ranking",
    "Selection",
    "cheapest_as_good",
    "cross_fitted_heterogeneity",
    "front",
    "score_subsets",
    "select",
    "shadow_price",
    "value_of_heterogeneity",
]
