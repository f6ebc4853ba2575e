"""Campaigns: mixtures of K families out of a pool, planned, trained, accounted for."""

from moesaic.runs.campaign._campaign import campaign, execute_campaign, plan_campaign
from moesaic.runs.campaign._candidates import Candidate, read_candidates
from moesaic.runs.campaign._listing import describe_families
from moesaic.runs.campaign._outcome import account
from moesaic.runs.campaign._rounds import leaders

__all__ = [
    "Candidate",
    "account",
    "campaign",
    "describe_families",
    "execute_campaign",
    "leaders",
    "plan_campaign",
    "read_candidates",
]
