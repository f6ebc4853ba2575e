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
from moesaic.surrogate._blend import (
    BlendSurrogate,
    BoostingSurrogate,
    GaussianProcessSurrogate,
    GraphNetworkSurrogate,
    GraphProcessSurrogate,
    RidgeSurrogate,
    TreesSurrogate,
)
from moesaic.surrogate._curve_features import Curve
from moesaic.surrogate._curves import CurveExtrapolator, CurveQuality, Forecast
from moesaic.surrogate._encode import ExtraFeatures
from moesaic.surrogate._fidelity import LowerFidelity
from moesaic.surrogate._registry import get_surrogate, surrogate_names
from moesaic.surrogate._transfer import Prior, TransferSurrogate

__all__ = [
    "Acquisition",
    "BlendSurrogate",
    "BoostingSurrogate",
    "ClusterGain",
    "Curve",
    "CurveExtrapolator",
    "CurveQuality",
    "ExtraFeatures",
    "Forecast",
    "GaussianProcessSurrogate",
    "GraphNetworkSurrogate",
    "GraphProcessSurrogate",
    "LowerFidelity",
    "Prior",
    "Quality",
    "RidgeSurrogate",
    "SelectionGain",
    "Subset",
    "Surrogate",
    "TransferSurrogate",
    "TreesSurrogate",
    "expected_gain",
    "expected_selection_gain",
    "get_surrogate",
    "left_doubt",
    "propose_batch",
    "surrogate_names",
]
