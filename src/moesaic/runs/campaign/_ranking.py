"""The ranking a campaign hands to its planner: mixtures by what their families predicted alone."""

from __future__ import annotations

from moesaic.config import CampaignConfig
from moesaic.runs._members import as_table, read_members
from moesaic.runs._session import Session
from moesaic.selection import score_subsets
from moesaic.strategies.planners import RankedPlanner


def hand_over_ranking(session: Session[CampaignConfig], planner: RankedPlanner) -> None:
    """Rank the mixtures of the families that were trained alone, as many as will be trained.

    The families are trained before the first mixture is planned, so a resumed campaign ranks as
    the interrupted one did. Fewer than K families with predictions rank nothing.
    """
    config = session.config
    members = read_members(session.folder, config, session.bank)
    names = [member.group for member in members]
    if len(members) < config.experts:
        session.watcher.say(f"{len(members)} families have predictions: nothing can be ranked")
        planner.use_ranking([], names)
        return
    found = score_subsets(
        as_table(session.folder, members),
        config.experts,
        score=config.ranking,
        top=config.candidates,
        seed=config.seed,
    )
    order = [tuple(names[row] for row in one.members) for one in found.best]
    planner.use_ranking(order, names)
    session.watcher.say(f"{found.scored:,} mixtures ranked by {config.ranking}")
