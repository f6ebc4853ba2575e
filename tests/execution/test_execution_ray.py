"""The executor over Ray: the contract, what it ships and what it leaves."""

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ray_helpers import needs_ray

from moesaic.errors import InputError, TooLarge
from moesaic.execution import Executor, Job, get_executor
from moesaic.testing import ExecutorContract
from moesaic.testing._executors import by_key, double, folder_job, sleep

# a new worker imports torch: on a busy machine that alone takes a minute
pytestmark = [needs_ray, pytest.mark.slow, pytest.mark.timeout(1200)]


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
        outcomes = list(executor.results())
        assert {outcome.status for outcome in outcomes} == {"done"}, outcomes[0]
        values = [outcome.value for outcome in outcomes]
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
        (tmp_path / "a.txt").write_text("a")
        for number in range(6):
            words = {"path": str(tmp_path)}
            executor.submit(Job(str(number), where, words, folder=tmp_path, needs=("a.txt",)))
        places = {outcome.value["place"] for outcome in executor.results()}
        assert len(places) == 1
        assert places != {str(tmp_path)}
        names = {Path(place).name for place in places}
        assert names <= mirrors()
        executor.close()
        assert not names & mirrors()

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

    def test_memory_that_no_node_has_is_one_jobs_matter(self, executor):
        with pytest.raises(TooLarge, match="no node"):
            executor.submit(Job("a", identity, memory=2**60))
        with pytest.raises(InputError) as raised:  # no job could have this
            executor.submit(Job("a", identity, memory=2**60, gpus=0.5))
        assert not isinstance(raised.value, TooLarge)

    def test_what_ray_does_not_grant_is_an_outcome(self, executor, monkeypatch):
        from moesaic.execution._cluster import Cluster

        monkeypatch.setattr(Cluster, "refuse_impossible", lambda *_: None)
        executor.submit(Job("a", identity, gpus=1.5))
        (outcome,) = executor.results()
        assert outcome.cause == "error"

    def test_a_stream_of_answers_keeps_no_job_from_its_time_limit(self, executor):
        executor.submit(Job("late", sleep, {"seconds": 600}, timeout=0.5))
        executor.submit(Job("0", double, {"number": 0}))
        count = 1
        for outcome in executor.results():
            if outcome.key == "late":
                assert outcome.cause == "time_limit"
                break
            executor.submit(Job(str(count), double, {"number": count}))
            count += 1

    def test_a_job_gets_the_cores_and_the_memory_it_asks_for(self, executor):
        executor.submit(Job("a", resources, cpus=2, memory=10 * 2**20))
        executor.submit(Job("b", resources, cpus=0.5))
        outcomes = by_key(executor.results())
        assert outcomes["a"].value == {"CPU": 2.0, "memory": 10.0 * 2**20}
        assert outcomes["b"].value == {"CPU": 0.5}

    def test_close_waits_for_what_runs_and_drops_what_does_not(self, executor, tmp_path):
        for number in range(6):
            executor.submit(Job(str(number), write_late, {"path": str(tmp_path / f"{number}")}))
        while not list(tmp_path.glob("*.begun")):
            time.sleep(0.02)
        executor.close()
        written = {path.name for path in tmp_path.iterdir()}
        assert "0" in written or "1" in written
        assert len(written) < 12
        time.sleep(2)
        assert {path.name for path in tmp_path.iterdir()} == written

    def test_random_deaths_time_limits_and_cancels_lose_no_other_job(self, executor):
        rng = random.Random(0)
        expected: dict[str, str] = {}
        for number in range(30):
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

    def test_a_cancelled_job_never_runs_on(self, executor):
        import ray

        for number, delay in enumerate([0, 0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.3, 0.002, 0.02] * 2):
            for key in (f"a{number}", f"b{number}"):
                executor.submit(Job(key, sleep, {"seconds": 600}))
            time.sleep(delay)
            for key in (f"a{number}", f"b{number}"):
                executor.cancel(key)
        # both CPUs are needed, so it begins only when nothing else runs
        executor.submit(Job("last", double, {"number": 1}, cpus=2))
        assert [outcome.value for outcome in executor.results()] == [{"twice": 2}]
        executor.close(kill=True)
        end = time.monotonic() + 60
        while ray.available_resources().get("CPU") != 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert ray.available_resources()["CPU"] == 2

    def test_no_mark_of_a_job_stays_in_the_cluster(self, executor):
        from ray.experimental import internal_kv

        executor.submit(Job("a", identity))
        executor.submit(Job("late", sleep, {"seconds": 600}, timeout=0.1))
        executor.submit(Job("killed", sleep, {"seconds": 600}))
        outcomes = executor.results()
        assert {next(outcomes).key, next(outcomes).key} == {"a", "late"}
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
    Path(f"{path}.begun").touch()
    time.sleep(1.0)
    Path(path).write_text("written")
    return {}


def die_at(moment: float) -> dict:
    time.sleep(moment)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
