"""The executor over Ray: the contract, what it ships, how it starts and ends, lost nodes."""

import os
import random
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
import torch
from ray_helpers import LoopbackCluster, loopback_cluster, needs_ray

from moesaic.errors import InputError
from moesaic.execution import Executor, Job, get_executor
from moesaic.testing import ExecutorContract
from moesaic.testing._executors import by_key, double, folder_job, sleep

pytestmark = [needs_ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """One Ray for many executors: starting it takes seconds."""
    from moesaic.execution._cluster import Cluster

    cluster = Cluster(2, None)
    cluster.connect()
    yield
    cluster.disconnect()


def make(workers: int = 2, address: str | None = None) -> Executor:
    return get_executor("ray", workers, address=address)


def mirrors() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("moesaic-mirror-*")}


def identity() -> dict:
    return {"pid": os.getpid(), "threads": torch.get_num_threads()}


@pytest.mark.usefixtures("local_ray")
class TestRayExecutor(ExecutorContract):
    def make(self) -> Executor:
        return make()


@pytest.mark.usefixtures("local_ray")
class TestOneRay:
    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = make()
        yield executor
        executor.close(kill=True)

    def test_workers_are_used_again_and_have_one_thread(self, executor):
        for number in range(12):
            executor.submit(Job(str(number), identity))
        values = [outcome.value for outcome in executor.results()]
        assert 1 <= len({value["pid"] for value in values}) <= 2
        assert {value["threads"] for value in values} == {1}

    def test_a_file_is_shipped_once_for_every_version_of_it(self, executor, tmp_path, monkeypatch):
        import ray

        shipped = []
        put = ray.put
        monkeypatch.setattr(ray, "put", lambda value: shipped.append(bytes(value)) or put(value))
        (tmp_path / "a.txt").write_text("one")
        (tmp_path / "b.txt").write_text("other")
        for text in ("one", "two!"):
            (tmp_path / "a.txt").write_text(text)
            for number in range(5):
                executor.submit(folder_job(f"j{number}", tmp_path, ("a.txt", "b.txt")))
            assert len(list(executor.results())) == 5
        assert sorted(shipped) == [b"one", b"other", b"two!"]

    def test_the_place_of_a_mirror_is_the_same_for_all_jobs_and_gone_in_the_end(
        self, executor, tmp_path
    ):
        before = mirrors()
        (tmp_path / "a.txt").write_text("a")
        for number in range(6):
            words = {"path": str(tmp_path)}
            executor.submit(Job(str(number), where, words, folder=tmp_path, needs=("a.txt",)))
        places = {outcome.value["place"] for outcome in executor.results()}
        assert len(places) == 1
        assert places != {str(tmp_path)}
        assert mirrors() - before == {Path(place).name for place in places}
        executor.close()
        assert mirrors() == before

    def test_the_remains_of_dead_workers_are_swept(self, executor, tmp_path):
        remains = Path(tempfile.gettempdir()) / f"moesaic-mirror-test-{os.getpid()}"
        remains.mkdir()
        (remains / ".alive").touch()
        (tmp_path / "a.txt").write_text("a")
        executor.submit(folder_job("a", tmp_path, ("a.txt",)))
        assert [outcome.status for outcome in executor.results()] == ["done"]
        assert not remains.exists()

    @pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", ""])
    def test_a_name_that_leads_out_of_the_folder_is_refused(self, executor, tmp_path, name):
        words = {"path": str(tmp_path)}
        executor.submit(Job("needs", where, words, folder=tmp_path, needs=(name,)))
        words["name"] = name
        executor.submit(Job("returns", return_name, words, folder=tmp_path))
        for outcome in by_key(executor.results()).values():
            assert outcome.cause == "error"
            assert "leads out of the run directory" in outcome.message

    def test_a_file_that_was_named_but_not_written_is_an_error(self, executor, tmp_path):
        words = {"path": str(tmp_path), "name": "nothing.npy"}
        executor.submit(Job("a", return_name, words, folder=tmp_path))
        (outcome,) = executor.results()
        assert (outcome.cause, outcome.value) == ("error", None)
        assert "nothing.npy" in outcome.message

    def test_a_full_disk_at_home_is_an_outcome(self, executor, tmp_path, monkeypatch):
        from moesaic.errors import DiskFull
        from moesaic.execution import _mirror

        def refuse(*_):
            raise DiskFull("no space left on the disk")

        monkeypatch.setattr(_mirror, "write_atomic", refuse)
        (tmp_path / "a.txt").write_text("a")
        executor.submit(folder_job("a", tmp_path, ("a.txt",)))
        (outcome,) = executor.results()
        assert outcome.status == "failed"
        assert outcome.message == "DiskFull: no space left on the disk"

    @pytest.mark.parametrize(
        "asked",
        [{"gpus": 0.5}, {"cpus": 1000}, {"memory": 2**60}],
        ids=lambda asked: next(iter(asked)),
    )
    def test_what_no_node_has_is_refused(self, executor, asked):
        with pytest.raises(InputError, match="no node of the Ray cluster has that"):
            executor.submit(Job("a", identity, **asked))
        executor.submit(Job("a", identity))
        assert len(list(executor.results())) == 1

    def test_a_job_gets_the_cores_and_the_memory_it_asks_for(self, executor):
        executor.submit(Job("a", resources, cpus=2, memory=10 * 2**20))
        executor.submit(Job("b", resources, cpus=0.5))
        outcomes = by_key(executor.results())
        assert outcomes["a"].value == {"CPU": 2.0, "memory": 10.0 * 2**20}
        assert outcomes["b"].value == {"CPU": 0.5}

    def test_close_waits_for_what_runs_and_drops_what_does_not(self, executor, tmp_path):
        for number in range(6):
            words = {"path": str(tmp_path / f"late-{number}")}
            executor.submit(Job(str(number), write_late, words))
        executor.submit(Job("quick", identity, cpus=0))
        assert next(executor.results()).key == "quick"
        time.sleep(0.5)
        executor.close()
        written = {path.name for path in tmp_path.iterdir()}
        assert 1 <= len(written) <= 2
        time.sleep(1.5)
        assert {path.name for path in tmp_path.iterdir()} == written

    def test_random_deaths_time_limits_and_cancels_lose_no_other_job(self, executor):
        rng = random.Random(0)
        expected: dict[str, str] = {}
        for number in range(60):
            key, draw = f"{number}", rng.random()
            if draw < 0.1:
                executor.submit(Job(key, die_at, {"moment": rng.random() * 0.1}))
                expected[key] = "worker_died"
            elif draw < 0.2:
                executor.submit(Job(key, sleep, {"seconds": 600}, timeout=rng.random() * 0.3))
                expected[key] = "time_limit"
            else:
                executor.submit(Job(key, double, {"number": number, "pause": rng.random() * 0.05}))
                expected[key] = "done"
        executor.submit(Job("never", sleep, {"seconds": 600}))
        executor.cancel("never")
        found = {o.key: o.cause or o.status for o in executor.results()}
        assert found == expected

    def test_no_mark_of_a_job_stays_in_the_cluster(self, executor):
        from ray.experimental import internal_kv

        executor.submit(Job("a", identity))
        executor.submit(Job("late", sleep, {"seconds": 60}, timeout=0.1))
        executor.submit(Job("killed", sleep, {"seconds": 60}))
        seen = {outcome.key for outcome, _ in zip(executor.results(), range(2), strict=False)}
        assert seen == {"a", "late"}
        executor.close(kill=True)
        assert internal_kv._internal_kv_list("", namespace=b"moesaic") == []


def where(path: str) -> dict:
    return {"place": path}


def return_name(path: str, name: str) -> dict:
    return {"files": [name]}


def resources() -> dict:
    import ray

    return dict(ray.get_runtime_context().get_assigned_resources())


def write_late(path: str) -> dict:
    time.sleep(1.0)
    Path(path).write_text("written")
    return {}


def die_at(moment: float) -> dict:
    time.sleep(moment)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_local_ray_listens_on_the_loopback_only_and_ends_with_its_executor(tmp_path):
    before = mirrors()
    (tmp_path / "a.txt").write_text("a")
    with make(1) as executor:
        assert executor.capacity == 1
        executor.submit(folder_job("a", tmp_path, ("a.txt",)))
        executor.submit(Job("id", identity))
        outcomes = by_key(executor.results())
        assert {outcome.status for outcome in outcomes.values()} == {"done"}
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        assert any("raylet" in process.name() for process in family)
        listening = {
            connection.laddr.ip
            for process in family
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    assert not psutil.pid_exists(outcomes["id"].value["pid"])
    assert not [p for p in psutil.Process().children(recursive=True) if "raylet" in p.name()]
    assert mirrors() == before


def test_an_executor_that_got_no_job_starts_no_ray():
    with make(3) as executor:
        assert executor.capacity == 3
        assert list(executor.results()) == []
        assert not [p for p in psutil.Process().children(recursive=True) if "raylet" in p.name()]


def test_no_cluster_at_the_address_is_one_line(monkeypatch):
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "1")
    with pytest.raises(InputError, match=r"no Ray cluster to join at 127\.0\.0\.1:1") as caught:
        make(1, "127.0.0.1:1")
    assert "\n" not in str(caught.value)


SCRIPT = textwrap.dedent(
    """
    import json, os, sys
    from moesaic.execution import Job, get_executor
    from moesaic.testing._executors import sleep
    from test_execution_ray import identity

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
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
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
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in one.name() for one in family)
    if how == "kill -9":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    if how != "kill -9":
        assert "KeyboardInterrupt" in errors


@pytest.fixture(scope="class")
def cluster() -> Iterator[LoopbackCluster]:
    with loopback_cluster(nodes=3) as cluster:
        yield cluster


class TestTwoNodes:
    """In this order: the second test takes a node away, the third another one."""

    def test_a_cluster_has_as_many_workers_as_cpus(self, cluster, tmp_path):
        before = mirrors()
        (tmp_path / "a.txt").write_text("a")
        with make(1, cluster.address) as executor:
            assert executor.capacity == 3
            for number in range(9):
                executor.submit(folder_job(f"j{number}", tmp_path, ("a.txt",), number=number))
            outcomes = by_key(executor.results())
        assert {outcome.status for outcome in outcomes.values()} == {"done"}
        assert len(list((tmp_path / "out").glob("*.txt"))) == 9
        assert mirrors() == before

    @pytest.mark.parametrize("node", [2, 1])
    def test_a_lost_node_costs_the_job_it_ran_and_no_other(self, cluster, tmp_path, node):
        (tmp_path / "a.txt").write_text("a")
        jobs = [f"j{number}" for number in range(12)]
        with make(1, cluster.address) as executor:
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
