"""Planners: which mixtures of a campaign are trained, in which order, and what that covers."""

from moesaic.strategies.planners._adaptive import AdaptivePlanner
from moesaic.strategies.planners._alphabetical import AlphabeticalPlanner
from moesaic.strategies.planners._base import Candidate, Planner, Told
from moesaic.strategies.planners._coverage import Coverage, coverage
from moesaic.strategies.planners._random import RandomPlanner
from moesaic.strategies.planners._ranked import RankedPlanner
from moesaic.strategies.planners._registry import get_planner, planner_names
from moesaic.strategies.planners._stratified import StratifiedPlanner

__all__ = [
    "AdaptivePlanner",
    "AlphabeticalPlanner",
    "Candidate",
    "Coverage",
    "Planner",
    "RandomPlanner",
    "RankedPlanner",
    "StratifiedPlanner",
    "Told",
    "coverage",
    "get_planner",
    "planner_names",
]
