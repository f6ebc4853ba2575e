"""Mixture: gates, the sparse module, training objectives, router metrics, package and export."""

from moesaic.mixture._balance import importance_loss, switch_loss, z_loss
from moesaic.mixture._cascade import (
    Cascade,
    answer_with_weights,
    confidence_of,
    regions_of,
)
from moesaic.mixture._gate import ConvGate, VectorGate, build_gate
from moesaic.mixture._groups import mixture_groups
from moesaic.mixture._mixture import Mixture, sparse_weights
from moesaic.mixture._moe4 import Moe4Gate, moe4_objective
from moesaic.mixture._package import (
    EXPORTED,
    Deployed,
    build_network,
    describe_model,
    export_model,
    load_model,
    save_cascade,
    save_model,
)
from moesaic.mixture._router import RouterMetrics, router_metrics
from moesaic.mixture._taught import gather_classes, taught_objective, training_passes

__all__ = [
    "EXPORTED",
    "Cascade",
    "ConvGate",
    "Deployed",
    "Mixture",
    "Moe4Gate",
    "RouterMetrics",
    "VectorGate",
    "answer_with_weights",
    "build_gate",
    "build_network",
    "confidence_of",
    "describe_model",
    "export_model",
    "importance_loss",
    "load_model",
    "mixture_groups",
    "moe4_objective",
    "router_metrics",
    "regions_of",
    "save_cascade",
    "save_model",
    "sparse_weights",
    "switch_loss",
    "gather_classes",
    "taught_objective",
    "training_passes",
    "z_loss",
]
