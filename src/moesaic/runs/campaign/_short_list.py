"""Training a short list of mixtures beside a campaign that was run; it does not choose them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

from moesaic.bank import Bank, Observation
from moesaic.config import CampaignConfig
from moesaic.errors import InputError
from moesaic.runs._context import load_context, load_partition
from moesaic.runs._folder import open_folder
from moesaic.runs._lifecycle import extend
from moesaic.runs._progress import Watcher
from moesaic.runs._session import Session
from moesaic.runs._structure import cluster_weight
from moesaic.runs.campaign._candidates import MOST_RETRIES, stage_of
from moesaic.runs.campaign._design import SINGLES, Design, losses_of, mixture_trial
from moesaic.runs.campaign._forecast import Correction
from moesaic.runs.campaign._pool import check_plugins, pool_of
from moesaic.runs.campaign._probe import probe_pool
from moesaic.runs.campaign._rounds import Loop, launch

STAGE = "ranked"


@dataclass(frozen=True)
class Trained:
    """A mixture of the short list.

    Attributes:
        families: K names, sorted.
        observation: what it measured; None where its training failed.
    """

    families: tuple[str, ...]
    observation: Observation | None


def train_short_list(
    path: str | Path,
    mixtures: Sequence[Sequence[str]],
    *,
    again: str,
    stage: str = STAGE,
    watcher: Watcher | None = None,
) -> list[Trained]:
    """Train mixtures as the campaign in `path` trains its own, for all epochs.

    Every mixture has its place in the bank, so that one trained before is not trained again. The
    budget of the campaign does not count, and its result stays as it is.

    Args:
        path: of a campaign that was run.
        mixtures: of K families of its pool each.
        again: the command that continues this work, for a person who interrupts it.
        stage: of their trials; another one is another seed.
        watcher: is told of progress.

    Raises:
        InputError: no campaign, one without its families' probes, or other mixtures.
        RunFailed: the work could not go on.
        Interrupted: stopped by the person.
    """
    folder = open_folder(path)
    config = folder.config()
    if not isinstance(config, CampaignConfig):
        raise InputError(f"{folder.path} is a {config.kind}: only a campaign trains a short list")
    config = config.model_copy(update={"budget": None})

    def work(session: Session[CampaignConfig]) -> list[Trained]:
        check_plugins(session)
        return _train(session, [tuple(sorted(families)) for families in mixtures], stage)

    return extend(folder, config, watcher or Watcher(), again, work)


def _train(
    session: Session[CampaignConfig], mixtures: Sequence[tuple[str, ...]], stage: str
) -> list[Trained]:
    bank, config, path = session.bank, session.config, str(session.folder.path)
    if bank.meta("correction") is None:
        raise InputError(
            f"the campaign in {path} has not trained its families yet: "
            f"continue it with moesaic resume {path}"
        )
    pool = tuple(sorted(pool_of(config)))
    for families in mixtures:
        if len(set(families)) != config.experts or not set(families) <= set(pool):
            raise InputError(
                f"{' + '.join(families)}: this campaign trains {config.experts} different "
                "families of its pool"
            )
    losses = losses_of(list(bank.observations(stage=SINGLES)))
    loop = Loop(
        session=session,
        design=Design(config, tuple(bank.meta("pool")), cluster_weight(load_partition(path))),
        probes=probe_pool(session, pool),
        correction=Correction(**bank.meta("correction")),
        losses=losses,
        samples=len(load_context(path).dataset.train),
    )
    session.work = loop.seconds
    places = [_place(families, pool) for families in mixtures]
    trials = [
        mixture_trial(loop.design, families, stage, place, config.epochs, losses)
        for families, place in zip(mixtures, places, strict=True)
    ]
    launch(loop, f"{stage} mixtures", trials)
    return [
        Trained(families, _last(bank, stage, place))
        for families, place in zip(mixtures, places, strict=True)
    ]


def _place(families: Sequence[str], pool: Sequence[str]) -> int:
    """Return the number of a mixture among all of its pool, in alphabetical order."""
    members = [pool.index(name) for name in families]
    last, count = len(pool) - 1, len(members)
    return (
        comb(len(pool), count)
        - 1
        - sum(comb(last - member, count - position) for position, member in enumerate(members))
    )


def _last(bank: Bank, stage: str, place: int) -> Observation | None:
    """Return what the last training of a mixture measured, retries looked at first."""
    for number in range(MOST_RETRIES, -1, -1):
        for found in bank.observations(stage=stage_of(stage, number)):
            if found.trial.index == place:
                return found
    return None
