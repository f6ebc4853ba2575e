"""Mixture: gates, the sparse module, its training objective, package and export."""

from moesaic.mixture._gate import ConvGate, VectorGate, build_gate
from moesaic.mixture._mixture import Mixture, sparse_weights
from moesaic.mixture._package import (
    EXPORTED,
    Deployed,
    build_network,
    export_model,
    load_model,
    save_model,
)
from moesaic.mixture._taught import taught_objective, training_passes

__all__ = [
    "EXPORTED",
    "ConvGate",
    "Deployed",
    "Mixture",
    "VectorGate",
    "build_gate",
    "build_network",
    "export_model",
    "load_model",
    "save_model",
    "sparse_weights",
    "taught_objective",
    "training_passes",
]
