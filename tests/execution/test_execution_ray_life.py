"""The lives of a Ray: one that an executor starts, and a cluster of nodes that are lost."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray_helpers import LoopbackCluster, loopback_cluster, needs_ray
from tests.process_helpers import family, listening, named

from moesaic.errors import InputError
from moesaic.execution import Job, get_executor
from moesaic.testing._executors import by_key, folder_job

# a new worker imports torch: on a busy machine that alone takes a minute
pytestmark = [needs_ray, pytest.mark.slow, pytest.mark.timeout(1200)]


def mirrors() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("moesaic-mirror-*")}


def identity() -> dict:
    return {"pid": os.getpid()}


def raylets() -> list[psutil.Process]:
    return named(os.getpid(), "raylet")


def test_a_local_ray_listens_on_the_loopback_only_and_ends_with_its_executor(tmp_path):
    before = mirrors()
    (tmp_path / "a.txt").write_text("a")
    with get_executor("ray", 1) as executor:
        assert executor.capacity == 1
        executor.submit(folder_job("a", tmp_path, ("a.txt",)))
        executor.submit(Job("id", identity))
        outcomes = by_key(executor.results())
        assert {outcome.status for outcome in outcomes.values()} == {"done"}
        assert raylets()
        processes = family(os.getpid())
        assert listening([psutil.Process(), *processes]) == {"127.0.0.1"}
    _, alive = psutil.wait_procs(processes, timeout=150)
    assert alive == []
    assert mirrors() <= before, "what others left is swept, nothing is added"


def test_an_executor_that_got_no_job_starts_no_ray():
    with get_executor("ray", 3) as executor:
        assert executor.capacity == 3
        assert list(executor.results()) == []
        assert not raylets()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:10001", "somewhere"])
def test_no_cluster_at_the_address_is_one_line(address):
    with pytest.raises(InputError, match=f"no Ray cluster to join at {address}") as caught:
        get_executor("ray", 1, address=address)
    assert "\n" not in str(caught.value)


SCRIPT = textwrap.dedent(
    """
    import json, os, sys
    from moesaic.execution import Job, get_executor
    from moesaic.testing._executors import sleep
    from test_execution_ray_life import identity

    executor = get_executor("ray", 2)
    for number in range(8):
        executor.submit(Job(str(number), identity))
    pids = sorted({outcome.value["pid"] for outcome in executor.results()})
    for number in range(4):
        executor.submit(Job(f"s{number}", sleep, {"seconds": 600}))
    print(json.dumps(pids), flush=True)
    try:
        list(executor.results())
    except KeyboardInterrupt:
        executor.close(kill=True)
        raise
    """
)


@pytest.mark.parametrize("how", ["kill -9", "Ctrl-C"])
def test_no_process_outlives_its_coordinator(tmp_path, how):
    script = tmp_path / "coordinator.py"
    script.write_text(SCRIPT)
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("["):
        assert process.poll() is None
    time.sleep(1)
    processes = family(process.pid)
    assert named(process.pid, "raylet")
    if how == "kill -9":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    # Ray's two agents give up only when they have looked for their node for a minute
    _, alive = psutil.wait_procs(processes, timeout=150)
    assert alive == []
    if how != "kill -9":
        assert "KeyboardInterrupt" in errors


@pytest.fixture(scope="class")
def cluster() -> Iterator[LoopbackCluster]:
    with loopback_cluster(nodes=3) as cluster:
        yield cluster


class TestNodes:
    """In this order: the second test takes a node away, the third another one."""

    def test_a_cluster_has_as_many_workers_as_cpus(self, cluster, tmp_path):
        before = mirrors()
        (tmp_path / "a.txt").write_text("a")
        with get_executor("ray", 1, address=cluster.address) as executor:
            assert executor.capacity == 3
            for number in range(9):
                executor.submit(folder_job(f"j{number}", tmp_path, ("a.txt",), number=number))
            outcomes = by_key(executor.results())
        assert {outcome.status for outcome in outcomes.values()} == {"done"}
        assert len(list((tmp_path / "out").glob("*.txt"))) == 9
        assert mirrors() <= before, "what others left is swept, nothing is added"

    @pytest.mark.parametrize("node", [2, 1])
    def test_a_lost_node_costs_the_job_it_ran_and_no_other(self, cluster, tmp_path, node):
        (tmp_path / "a.txt").write_text("a")
        jobs = [f"j{number}" for number in range(12)]
        with get_executor("ray", 1, address=cluster.address) as executor:
            for number, key in enumerate(jobs):
                words = {"path": str(tmp_path), "log": str(tmp_path / "log"), "number": number}
                executor.submit(Job(key, work_a_second, words, folder=tmp_path, needs=("a.txt",)))
            outcomes = {}
            for outcome in executor.results():
                assert outcome.key not in outcomes
                outcomes[outcome.key] = outcome
                if len(outcomes) == 2:
                    cluster.kill_node(node)
        assert sorted(outcomes) == sorted(jobs)
        lost = {key for key, outcome in outcomes.items() if outcome.status == "failed"}
        assert len(lost) <= 1
        assert all(outcomes[key].cause == "worker_died" for key in lost)
        for key in set(jobs) - lost:
            assert (tmp_path / outcomes[key].value["predictions"]).read_text() == key[1:]
        begun = (tmp_path / "log").read_text().split()
        assert len(begun) == len(set(begun)), "no job began twice"


def work_a_second(path: str, log: str, number: int) -> dict:
    with open(log, "a") as file:
        file.write(f"{number}\n")
    time.sleep(1.0)
    name = f"{number}.txt"
    (Path(path) / name).write_text(str(number))
    return {"predictions": name, "checkpoint": None}
