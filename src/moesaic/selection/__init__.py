"""Selection: which experts, who serves which cluster, and what difference is worth."""

from moesaic.selection._cascade import (
    MOST_STAGES,
    NEVER,
    CascadePoint,
    best_at,
    cascade_front,
    choose_thresholds,
    stage_of,
)
from moesaic.selection._front import FrontPoint, cheapest_as_good, front, shadow_price
from moesaic.selection._halves import Interval, can_be_halved
from moesaic.selection._heterogeneity import cross_fitted_heterogeneity, value_of_heterogeneity
from moesaic.selection._marginal import Gain, climb
from moesaic.selection._optimism import optimism
from moesaic.selection._problem import Limits, Selection
from moesaic.selection._select import select
from moesaic.selection._stages import StagesChoice, choose_stages
from moesaic.selection._theory import (
    Step,
    best_objective,
    cluster_rank_correlation,
    joint_minus_decomposed,
    rises,
    routing_entropy,
    spearman,
    surrogate_step,
)
from moesaic.selection.subsets import SCORES, Members, Ranked, Ranking, score_subsets

__all__ = [
    "MOST_STAGES",
    "NEVER",
    "SCORES",
    "CascadePoint",
    "FrontPoint",
    "Gain",
    "Interval",
    "Limits",
    "Members",
    "Ranked",
    "Ranking",
    "Selection",
    "StagesChoice",
    "Step",
    "best_at",
    "best_objective",
    "can_be_halved",
    "cascade_front",
    "cheapest_as_good",
    "choose_stages",
    "choose_thresholds",
    "climb",
    "cluster_rank_correlation",
    "cross_fitted_heterogeneity",
    "front",
    "joint_minus_decomposed",
    "optimism",
    "rises",
    "routing_entropy",
    "score_subsets",
    "select",
    "shadow_price",
    "spearman",
    "stage_of",
    "surrogate_step",
    "value_of_heterogeneity",
]
