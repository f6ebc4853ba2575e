"""Strategies: which experts to train next, by ask and tell."""

from moesaic.strategies._base import Proposal, Strategy
from moesaic.strategies._guided import DecomposedStrategy, GuidedStrategy
from moesaic.strategies._joint import JointStrategy
from moesaic.strategies._registry import get_strategy, strategy_names
from moesaic.strategies._sgem import SgemStrategy
from moesaic.strategies._simple import EvolutionStrategy, RandomStrategy

__all__ = [
    "DecomposedStrategy",
    "EvolutionStrategy",
    "GuidedStrategy",
    "JointStrategy",
    "Proposal",
    "RandomStrategy",
    "SgemStrategy",
    "Strategy",
    "get_strategy",
    "strategy_names",
]
