"""Training: the recipe, the loop, measurement per cluster, cost."""

from moesaic.config import Recipe
from moesaic.training._cost import count_macs, count_parameters
from moesaic.training._demand import Demand, demand_of
from moesaic.training._loop import (
    Objective,
    ParameterGroup,
    TrainingLog,
    cross_entropy_objective,
    fit,
)
from moesaic.training._measure import (
    Measurement,
    by_cluster,
    measure,
    measure_logits,
    predict_logits,
    sample_losses,
)
from moesaic.training._mixup import Blend, Mixup
from moesaic.training._proxies import PROXIES, check_proxies, measure_proxies

__all__ = [
    "Blend",
    "Demand",
    "Measurement",
    "Mixup",
    "Objective",
    "PROXIES",
    "ParameterGroup",
    "Recipe",
    "TrainingLog",
    "by_cluster",
    "check_proxies",
    "count_macs",
    "count_parameters",
    "cross_entropy_objective",
    "demand_of",
    "fit",
    "measure",
    "measure_logits",
    "measure_proxies",
    "predict_logits",
    "sample_losses",
]
