"""Surrogate: what an expert would reach on every cluster, before it is paid for."""

from moesaic.surrogate._acquisition import (
    Acquisition,
    ClusterGain,
    SelectionGain,
    expected_gain,
    expected_selection_gain,
    left_doubt,
    propose_batch,
)
from moesaic.surrogate._base import Quality, Subset, Surrogate
from moesaic.surrogate._models import (
    ChosenSurrogate,
    GaussianProcessSurrogate,
    RidgeSurrogate,
    TreesSurrogate,
)
from moesaic.surrogate._registry import get_surrogate, surrogate_names

__all__ = [
    "Acquisition",
    "ChosenSurrogate",
    "ClusterGain",
    "GaussianProcessSurrogate",
    "Quality",
    "RidgeSurrogate",
    "SelectionGain",
    "Subset",
    "Surrogate",
    "TreesSurrogate",
    "expected_gain",
    "expected_selection_gain",
    "get_surrogate",
    "left_doubt",
    "propose_batch",
    "surrogate_names",
]
