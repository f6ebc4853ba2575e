"""Campaigns: mixtures of K families out of a pool, planned, trained, accounted for."""

from moesaic.runs.campaign._campaign import campaign, execute_campaign, plan_campaign
from moesaic.runs.campaign._candidates import Candidate, read_candidates
from moesaic.runs.campaign._listing import describe_families
from moesaic.runs.campaign._outcome import account
from moesaic.runs.campaign._rounds import leaders
from moesaic.runs.campaign._short_list import Trained, train_short_list

__all__ = [
    "Candidate",
    "Trained",
    "account",
    "campaign",
    "describe_families",
    "execute_campaign",
    "leaders",
    "plan_campaign",
    "read_candidates",
    "train_short_list",
]
