"""A campaign from end to end: probe, train the families alone, the mixtures, the final table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation
from moesaic.config import CampaignConfig
from moesaic.data import Dataset
from moesaic.errors import InputError, RunFailed
from moesaic.execution import check_executor
from moesaic.runs._context import check_device, check_shift, load_context, load_partition
from moesaic.runs._lifecycle import RunResult, begin
from moesaic.runs._progress import Watcher
from moesaic.runs._session import Session
from moesaic.runs._structure import cluster_weight, find_structure
from moesaic.runs.campaign._board import Board
from moesaic.runs.campaign._candidates import read_candidates
from moesaic.runs.campaign._design import Design, long_trial, losses_of, single_trials
from moesaic.runs.campaign._forecast import Correction, measure_correction
from moesaic.runs.campaign._found import Found
from moesaic.runs.campaign._outcome import assemble_campaign
from moesaic.runs.campaign._pool import check_plugins, pool_of, remember
from moesaic.runs.campaign._probe import probe_pool
from moesaic.runs.campaign._rounds import ROUND, Loop, launch, leaders, run_rounds
from moesaic.runs.campaign._test import read_campaign_test
from moesaic.spaces.families import get_family
from moesaic.strategies.planners import RankedPlanner, get_planner

_STRUCTURE_EPOCHS = 6


def campaign(
    config: CampaignConfig, out: str | Path | None = None, watcher: Watcher | None = None
) -> RunResult:
    """Train and account for mixtures of K families of a pool on the data the settings name.

    Args:
        config: the settings.
        out: a new directory for the run; the next free one under `runs` by default.
        watcher: is told of progress.

    Raises:
        InputError: bad data or settings; nothing is written then.
        RunFailed: the run could not go on.
        Interrupted: stopped by the person; `resume` continues it.
    """
    plugins = tuple(str(Path(plugin).resolve()) for plugin in config.plugins)
    config = config.model_copy(update={"plugins": plugins})
    return begin(config, out, watcher or Watcher(), _check, execute_campaign)


def plan_campaign(config: CampaignConfig) -> list[tuple[str, ...]]:
    """Return the candidates that a campaign with these settings begins with; nothing is trained.

    An adaptive planner decides later ones by results: of it only the first round is known.

    Raises:
        InputError: unknown names, fewer families than experts, or a planner that plans nothing
            before the families were trained.
    """
    planner = get_planner(config.planner, pool_of(config), config.experts, config.seed)
    if isinstance(planner, RankedPlanner):
        raise InputError(
            "planner ranked orders mixtures by families that the campaign trains first: there is "
            "no plan before; leave out --plan-only or choose another --planner"
        )
    return planner.next(min(ROUND, config.candidates) if planner.learns else config.candidates, [])


def _check(config: CampaignConfig, dataset: Dataset) -> CampaignConfig:
    """Refuse, before anything is written, what could only fail later."""
    pool = pool_of(config)
    if not dataset.is_images:
        raise InputError("families are networks for images: --data holds vectors")
    check_shift(config, dataset)
    side = min(dataset.input_shape[1:])
    small = [name for name in pool if get_family(name).min_size > side]
    if small:
        raise InputError(
            f"images of {side} pixels are too small for {', '.join(small[:5])}"
            f"{' and others' if len(small) > 5 else ''}: raise --image-size or leave them out"
        )
    planner = get_planner(config.planner, pool, config.experts, config.seed)
    if isinstance(planner, RankedPlanner) and not trains_alone(config):
        raise InputError(
            "planner ranked needs the families trained alone: leave out --no-baselines or choose "
            "another --planner"
        )
    if config.address is None:  # else it is the cluster's machines that need the device
        check_device(config.device)
    check_executor(config.executor, address=config.address)
    return config


def execute_campaign(session: Session[CampaignConfig]) -> dict[str, Any]:
    """Go through all stages of a campaign and return what `result.json` will hold."""
    config, path = session.config, str(session.folder.path)
    check_plugins(session)
    pool = pool_of(config)
    remember(session.bank, "pool", list(pool), "the pool names other families than before")
    structure = find_structure(session, config.least_clusters, config.clusters, _STRUCTURE_EPOCHS)
    partition = load_partition(path)
    counts = np.bincount(partition.validation, minlength=partition.count)
    shares = counts / counts.sum()
    session.bank.set_meta("validation_shares", shares.tolist())
    design = Design(config, pool, cluster_weight(partition))
    samples = len(load_context(path).dataset.train)
    probes = probe_pool(session, pool)
    loop = Loop(session, design, probes, Correction(), {}, samples)
    session.work, session.ended = loop.seconds, Board(session, shares).show
    session.estimate.total = _expected(loop)
    singles = _train_alone(loop)
    loop = Loop(session, design, probes, _correction(loop, singles), losses_of(singles), samples)
    candidates = run_rounds(loop)
    if not leaders(candidates):
        raise RunFailed(
            "no mixture of the campaign could be trained: moesaic status lists the causes"
        )
    best_single = _best(singles, shares)
    long = None
    if best_single is not None and config.baselines:
        (long,) = launch(
            loop,
            "the best family for as long as a mixture",
            [long_trial(design, best_single.trial)],
            closes=False,
        )
    found = Found(
        structure=structure,
        pool=pool,
        candidates=read_candidates(session.bank),
        singles=[single for single in singles if single is not None],
        best_single=best_single,
        long=long,
        probes=probes,
        correction=loop.correction,
    )
    test = read_campaign_test(session, found)
    return assemble_campaign(session, found, test)


def _train_alone(loop: Loop) -> list[Observation | None]:
    """Train every family alone: what mixtures are compared with, routed and forecast by."""
    if not trains_alone(loop.session.config):
        return []
    return launch(loop, "families alone", single_trials(loop.design), closes=False)


def trains_alone(config: CampaignConfig) -> bool:
    """Whether the families are trained alone: as rivals, or because the preset routes by them."""
    return config.baselines or config.preset != "moe4"


def _correction(loop: Loop, singles: list[Observation | None]) -> Correction:
    """Compare what the families needed alone with what was forecast, once."""
    bank = loop.session.bank
    known: dict[str, float] | None = bank.meta("correction")
    if known is None:
        finished = [single for single in singles if single is not None]
        told = {single.trial.key: loop.need(single.trial) for single in finished}
        measured = measure_correction(
            finished, {key: value for key, value in told.items() if value is not None}
        )
        known = {"memory": measured.memory, "seconds": measured.seconds}
        bank.set_meta("correction", known)
    return Correction(**known)


def _best(singles: list[Observation | None], shares: NDArray[np.float64]) -> Observation | None:
    scored = [
        (float(np.nan_to_num(single.accuracy) @ shares), -single.trial.index, single)
        for single in singles
        if single is not None
    ]
    return max(scored, key=lambda entry: entry[:2])[2] if scored else None


def _expected(loop: Loop) -> float:
    """Return the expected seconds of all trainings on one worker."""
    config, design = loop.session.config, loop.design
    alone = [loop.seconds(trial) for trial in single_trials(design)]
    mean = sum(alone) / len(alone)
    mixtures = config.candidates * config.experts * mean
    if config.quick_epochs is not None:
        mixtures *= config.promote + config.quick_epochs / config.epochs
    return sum(alone) + mixtures + config.experts * mean
