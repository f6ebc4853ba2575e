"""A campaign survives kill -9 of coordinator, workers, nodes: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.execution.ray_helpers import loopback_cluster, needs_ray
from tests.process_helpers import family, kill_a_busy_worker

from moesaic.config import make_campaign_config
from moesaic.runs import campaign, open_run

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parent / "campaign_plugin.py"
COUNT = 10


def command(spec: str, out: Path) -> list[str]:
    words = f"campaign --pool Tiny0,Tiny1,Tiny2,Tiny3,Tiny4 --experts 2 --candidates {COUNT}"
    words += " --epochs 2 --clusters 2 --seed 1 --json"
    place = ["--plugin", str(PLUGIN), "--data", spec, "--out", str(out)]
    return [sys.executable, "-m", "moesaic", *words.split(), *place]


def wait_for_mixtures(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if (folder / "started.json").exists():
            done = open_run(folder).status().get("mixtures") or {}
            if done.get("done", 0) >= count:
                return
        time.sleep(0.1)
    raise AssertionError(f"{folder} never had {count} mixtures")


def result_of(words: list[str]) -> dict[str, Any]:
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_nothing_lost_nothing_twice(folder: Path, found: dict[str, Any]) -> None:
    planned = [tuple(candidate["families"]) for candidate in found["candidates"]]
    assert len(planned) == len(set(planned)) == COUNT
    trials = found["trials"]
    assert trials["lost"] == trials["not_begun"] == 0
    assert trials["done"] + sum(trials["failed"].values()) == COUNT
    with open_run(folder).bank() as bank:
        trained = bank.trials(stage="mixtures")
        assert len({trial.key for trial in trained}) == len(trained) == COUNT
        files = Counter(path.stem for path in (folder / "predictions").glob("*.npy"))
        assert all(files[t.key] == 1 for t in trained if bank.status(t.key) == "done")


@pytest.fixture(scope="module")
def expected(spec: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return result_of(command(spec, tmp_path_factory.mktemp("kill") / "run"))


def test_kill_the_coordinator_twice_and_resume(
    spec: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = command(spec, out)
    for count in (2, 6):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_mixtures(out, count)
        children = family(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive, "workers outlived their coordinator"
        words = [sys.executable, "-m", "moesaic", "resume", str(out), "--json"]
    found = result_of(words)
    assert_nothing_lost_nothing_twice(out, found)
    assert found["trials"]["failed"] == {}
    for key in ("verdict", "coverage", "best", "structure", "table", "candidates"):
        mine, whole = (dict(strip(x[key]).items()) for x in (found, expected))
        assert mine == whole, key


def strip(value: Any) -> dict[str, Any]:
    """Leave out what a clock decided."""

    def plain(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {k: plain(v) for k, v in inner.items() if "seconds" not in k}
        if isinstance(inner, list):
            return [plain(v) for v in inner]
        return inner

    return {"value": plain(value)}


def test_kill_workers_and_the_campaign_goes_on(spec: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(command(spec, out), stdout=subprocess.PIPE, text=True)
    for count in (1, 4):
        wait_for_mixtures(out, count)
        kill_a_busy_worker(process.pid, seconds=0.5)
    stdout, _ = process.communicate(timeout=280)
    assert process.returncode == 0
    found = json.loads(stdout)
    assert_nothing_lost_nothing_twice(out, found)
    assert set(found["trials"]["failed"]) <= {"worker_died"}
    assert sum(found["trials"]["failed"].values()) <= 2


@needs_ray
def test_a_ray_node_dies_and_the_campaign_completes(spec: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = {
        "data": spec,
        "plugins": (str(PLUGIN),),
        "pool": "Tiny0,Tiny1,Tiny2,Tiny3,Tiny4",
        "experts": 2,
        "candidates": COUNT,
        "epochs": 2,
        "clusters": 2,
        "executor": "ray",
        "seed": 1,
    }
    with loopback_cluster(nodes=2) as cluster:

        def kill() -> None:
            wait_for_mixtures(out, 3)
            cluster.kill_node(1)

        killer = threading.Thread(target=kill)
        killer.start()
        config = make_campaign_config(settings | {"address": cluster.address})
        found = campaign(config, out=out).result
        killer.join()
    assert_nothing_lost_nothing_twice(out, found)
    assert set(found["trials"]["failed"]) <= {"worker_died"}
    assert found["trials"]["done"] >= COUNT - 2
