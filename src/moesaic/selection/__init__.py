"""Selection: which experts, who serves which cluster, and what difference is worth."""

from moesaic.selection._heterogeneity import (
    Interval,
    cross_fitted_heterogeneity,
    value_of_heterogeneity,
)
from moesaic.selection._problem import Limits, Selection
from moesaic.selection._select import select

__all__ = [
    "Interval",
    "Limits",
    "Selection",
    "cross_fitted_heterogeneity",
    "select",
    "value_of_heterogeneity",
]
