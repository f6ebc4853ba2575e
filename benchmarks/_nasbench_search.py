"""Plays the game with every peer and seed, remembers what was played, and sums it up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._nasbench_game import Game, floor, regrets
from benchmarks._nasbench_peers import OURS, PEERS
from benchmarks._nasbench_table import Cells
from moesaic.errors import InputError

AFTER = (50, 100, 300)
CURVE = 10  # the step of the curves, in trainings
_GAMES: dict[str, Game] = {}


def play_all(
    cells: Cells,
    names: Sequence[str],
    seeds: Sequence[int],
    trials: int,
    workers: int,
    cache: Path | None,
) -> list[dict[str, Any]]:
    """Return one record a peer and seed: `peer`, `seed`, `trials`, `rows` paid, CPU `seconds`.

    Args:
        cells: the table.
        names: of peers.
        seeds: of each.
        trials: how many trainings each may pay for.
        workers: processes; 1 plays in this one.
        cache: a file that every finished record is added to; what is in it is not played again.

    Raises:
        InputError: the cache is of another table.
    """
    mark = fingerprint(cells)
    known = {
        (one["peer"], one["seed"], one["trials"]): one
        for one in _read(cache)
        if _of_this_table(one, mark, cache)
    }
    wanted = [(name, seed, trials) for name in names for seed in seeds]
    missing = [one for one in wanted if one not in known]
    for record in _played(cells, missing, workers):
        known[record["peer"], record["seed"], record["trials"]] = record
        if cache is not None:
            with cache.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**record, "table": mark}) + "\n")
    return [known[one] for one in wanted]


def summary(cells: Cells, records: Sequence[Mapping[str, Any]], trials: int) -> dict[str, Any]:
    """Return medians and quartiles of the regret, in percentage points, by peer.

    Returns:
        `search` {peer: {"50": median, ...}}, `search_quartiles` {peer: {"50": [low, high]}},
        `search_guide` (the same medians on the columns that guide, where the floor is 0),
        `search_floor`, `search_seconds` {peer: median CPU seconds}, `search_curves` for the
        figure, and `bar`: the best peer's regret at the end and when each of ours reached it.
    """
    game = Game(cells)
    after = sorted({count for count in AFTER if count <= trials} | {trials})
    curve = list(range(CURVE, trials + 1, CURVE)) or [trials]
    counts = sorted({*after, *curve})
    told: dict[str, Any] = {
        name: {}
        for name in (
            *("search", "search_quartiles", "search_guide", "search_seconds", "search_curves"),
        )
    }
    for name in dict.fromkeys(record["peer"] for record in records):
        own = [record for record in records if record["peer"] == name]
        each = [regrets(game, record["rows"], counts) for record in own]
        judge, guide = (
            np.array([[one[kind][str(count)] for count in counts] for one in each])
            for kind in ("judge", "guide")
        )
        middle, low, high = (np.quantile(judge, q, axis=0) for q in (0.5, 0.25, 0.75))
        place = {count: index for index, count in enumerate(counts)}
        told["search"][name] = {str(count): float(middle[place[count]]) for count in after}
        told["search_quartiles"][name] = {
            str(count): [float(low[place[count]]), float(high[place[count]])] for count in after
        }
        told["search_guide"][name] = {
            str(count): float(np.median(guide[:, place[count]])) for count in after
        }
        told["search_seconds"][name] = float(np.median([record["seconds"] for record in own]))
        told["search_curves"][name] = {
            "trainings": curve,
            **{
                key: [float(values[place[count]]) for count in curve]
                for key, values in (("median", middle), ("low", low), ("high", high))
            },
        }
    return {**told, "search_floor": floor(game), "bar": _bar(told, trials)}


def _bar(told: Mapping[str, Any], trials: int) -> dict[str, Any] | None:
    """Return the best other tool at the end, and the first training at which ours were as good."""
    others = {name: row for name, row in told["search"].items() if name not in OURS}
    if not others:
        return None
    best = min(others, key=lambda name: others[name][str(trials)])
    regret = others[best][str(trials)]
    reached = {}
    for name in OURS:
        if name in told["search_curves"]:
            curve = told["search_curves"][name]
            within = np.flatnonzero(np.asarray(curve["median"]) <= regret + 1e-9)
            reached[name] = int(curve["trainings"][within[0]]) if len(within) else None
    return {"peer": best, "trainings": trials, "regret": regret, "reached_after": reached}


def fingerprint(cells: Cells) -> str:
    """Return what tells this table from another one: its size and sums."""
    sums = [*cells.accuracy.sum(axis=0), *cells.judge_accuracy.sum(axis=0)]
    return f"{len(cells.architectures)}:" + ",".join(f"{value:.3f}" for value in sums)


def _of_this_table(record: Mapping[str, Any], mark: str, cache: Path | None) -> bool:
    if record["table"] != mark:
        raise InputError(f"{cache} is of another table or other columns: name another --cache")
    return True


def _read(cache: Path | None) -> Iterator[dict[str, Any]]:
    """Yield the records of a cache; a last line that was cut off is played again."""
    if cache is None or not cache.exists():
        return
    for line in cache.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _played(
    cells: Cells, missing: Sequence[tuple[str, int, int]], workers: int
) -> Iterator[dict[str, Any]]:
    if workers == 1 or len(missing) < 2:
        _start(cells)
        yield from (_play(*one) for one in missing)
        return
    # spawned: a peer may have started threads or devices in a process that is forked
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start, initargs=(cells,)
    ) as pool:
        for future in as_completed([pool.submit(_play, *one) for one in missing]):
            yield future.result()


def _start(cells: Cells) -> None:
    import torch

    torch.set_num_threads(1)
    _GAMES["the"] = Game(cells)
    _ = _GAMES["the"].table.space


def _play(name: str, seed: int, trials: int) -> dict[str, Any]:
    begun = time.process_time()
    rows = PEERS[name][1](_GAMES["the"], trials, seed)
    seconds = time.process_time() - begun
    return {"peer": name, "seed": seed, "trials": trials, "rows": rows, "seconds": seconds}
