"""Subsets: every choice of K experts scored by arithmetic on stored predictions."""

from moesaic.selection.subsets._request import Members
from moesaic.selection.subsets._result import Ranked, Ranking
from moesaic.selection.subsets._score import SCORES, score_subsets

__all__ = ["SCORES", "Members", "Ranked", "Ranking", "score_subsets"]
