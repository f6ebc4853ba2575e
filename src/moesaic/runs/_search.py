"""A search from end to end: every stage in turn, each one resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from moesaic.config import SearchConfig
from moesaic.data import Dataset
from moesaic.errors import InputError
from moesaic.execution import check_executor
from moesaic.runs._context import (
    check_device,
    check_shift,
    load_context,
    load_partition,
    make_space,
)
from moesaic.runs._design import design_final
from moesaic.runs._epochs import choose_epochs
from moesaic.runs._final import read_test, run_final
from moesaic.runs._gate import choose_gate
from moesaic.runs._generalists import strategy_options, train_generalists
from moesaic.runs._how_many import find_experts
from moesaic.runs._lifecycle import RunResult, begin
from moesaic.runs._outcome import Evidence, assemble
from moesaic.runs._pace import settle_batch
from moesaic.runs._price import check_limit
from moesaic.runs._progress import Watcher, expected_work, final_passes
from moesaic.runs._session import SearchSession
from moesaic.runs._specialise import specialise
from moesaic.runs._structure import cluster_weight, find_structure
from moesaic.runs._transfer import make_prior, read_bank, transferred
from moesaic.runs._variants import gate_macs
from moesaic.strategies import get_strategy
from moesaic.training import check_proxies

_LIKELY_EXPERTS = 4  # what the strategy is told while nobody knows


def search(
    config: SearchConfig, out: str | Path | None = None, watcher: Watcher | None = None
) -> RunResult:
    """Search, train and judge a mixture for the data that the settings name.

    Args:
        config: the settings.
        out: a new directory for the run; the next free one under `runs` by default.
        watcher: is told of progress.

    Raises:
        InputError: bad data or settings; nothing is written then.
        RunFailed: the run could not go on.
        Interrupted: stopped by the person; `resume` continues it.
    """
    return begin(config, out, watcher or Watcher(), _check, execute_search)


def _check(config: SearchConfig, dataset: Dataset) -> SearchConfig:
    """Refuse, before anything is written, what could only fail later; settle what data decide."""
    space = make_space(config, dataset)
    check_limit(config, space, dataset.input_shape, len(dataset.classes))
    get_strategy(config.strategy, space, 1, [1.0], **strategy_options(config))
    check_proxies(config.proxies)
    check_shift(config, dataset)
    if config.transfer is not None:
        make_prior(read_bank(config.transfer, space), space, config.seed)
    if config.address is None:  # else it is the cluster's machines that need the device
        check_device(config.device)
    check_executor(config.executor, address=config.address)
    least = config.clusters or (2 if config.experts == "auto" else config.experts)
    if len(dataset.train) < least:
        raise InputError(
            f"{least} clusters were asked of {len(dataset.train)} training samples: "
            "lower --clusters and --experts or give more data"
        )
    return settle_batch(config, dataset)


def execute_search(session: SearchSession) -> dict[str, Any]:
    """Go through all stages of a search and return what `result.json` will hold."""
    config, path = session.config, str(session.folder.path)
    least = 2 if config.experts == "auto" else int(config.experts)
    count = least if config.strategy == "decomposed" else config.clusters
    # first of all: from here on the run that is transferred from is not needed
    transferred(session, make_space(config, load_context(path).dataset))
    structure = find_structure(session, least, count, config.rungs[-1])
    partition = load_partition(path)
    session.watcher.say(
        f"{partition.count} clusters, told apart by a small gate on "
        f"{100 * structure['routability']:.0f} % of held-out samples"
    )
    dataset = load_context(path).dataset
    space = make_space(config, dataset)
    weight = cluster_weight(partition)
    domains = len(session.bank.meta("data")["domains"])
    auto = config.experts == "auto"
    experts = min(_LIKELY_EXPERTS, partition.count) if auto else int(config.experts)
    session.estimate.total = expected_work(config, experts, domains)
    gate = gate_macs(dataset.input_shape, experts)
    rung, groups = train_generalists(session, space, weight, experts, gate)
    generalists = [found for found in rung if found.trial.subset is None] or rung
    how_many = find_experts(session, generalists, weight, partition) if auto else None
    if how_many is not None:
        experts = int(how_many["experts"])
        session.watcher.say(f"{_in_words(how_many)}; {experts} are trained")
        told = how_many.get("groups")  # the strategy's are of another number
        groups = None if told is None else np.asarray(told, dtype=np.int64)
    gate = gate_macs(dataset.input_shape, experts)
    choice = specialise(session, rung, weight, experts, gate, groups, space)
    gates = choose_gate(session, choice.routing, experts, choice.worth)
    design = design_final(session, space, choice, partition, gates["size"] if gates else 1.0)
    shares = np.bincount(partition.validation, minlength=partition.count) / max(
        1, len(partition.validation)
    )
    epochs = choose_epochs(session, design, shares.tolist())
    session.estimate.expect(sum(final_passes(config, experts, epochs, domains)))
    design = design.for_epochs(epochs)
    final = run_final(session, design)
    test = read_test(session, final)
    return assemble(
        session,
        Evidence(structure, generalists, design, choice, final, test, how_many),
    )


def _in_words(how_many: dict[str, Any]) -> str:
    if not how_many["steps"]:
        return "how many experts pay was not compared: no time was left, or trainings failed"
    return f"{how_many['found']} experts pay" if how_many["found"] > 1 else "no second expert pays"
