"""What is special to worker processes: their lives, deaths and interrupts."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from moesaic.errors import InputError, RunFailed
from moesaic.execution import Job, ProcessExecutor
from moesaic.execution._slot import _interrupts_held
from moesaic.testing._executors import by_key, double, sleep

PRELOAD = ("moesaic.testing",)
SHARED: dict[str, int] = {}


def identity() -> dict:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    handler = signal.getsignal(signal.SIGINT)
    return {
        "pid": os.getpid(),
        "threads": max([torch.get_num_threads(), *threads_of_libraries()]),
        "deaf": signal.SIGINT in blocked or handler is signal.SIG_IGN,
        "shared": dict(SHARED),
    }


def threads_of_libraries() -> list[int]:
    import sklearn.cluster  # noqa: F401 - brings an OpenMP of its own, later than the worker begins

    return [library["num_threads"] for library in threadpool_info()]


def load_shared(value: int) -> None:
    SHARED["value"] = value


def spoil() -> dict:
    raise RuntimeError("CUDA error: device-side assert triggered")


def broken_initializer() -> None:
    raise ValueError("no data here")


def large(size: int) -> dict:
    return {"array": np.arange(size, dtype=np.float64)}


def total(array: np.ndarray) -> dict:
    return {"sum": float(array.sum())}


def die_at(moment: float) -> dict:
    time.sleep(moment)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


@pytest.fixture
def executor() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(2, PRELOAD) as executor:
        yield executor


def alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie that nobody has fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until_dead(pids: list[int], seconds: float = 10) -> list[int]:
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(alive, pids)):
        time.sleep(0.05)
    return [pid for pid in pids if alive(pid)]


def test_workers_are_long_lived_single_threaded_and_deaf_to_interrupts(executor):
    for number in range(20):
        executor.submit(Job(str(number), identity))
    values = [outcome.value for outcome in executor.results()]
    assert 1 <= len({value["pid"] for value in values}) <= 2
    assert os.getpid() not in {value["pid"] for value in values}
    assert {value["threads"] for value in values} == {1}
    assert all(value["deaf"] for value in values)


def test_the_initializer_runs_in_every_worker_also_in_a_replaced_one():
    with ProcessExecutor(2, PRELOAD, load_shared, (7,)) as executor:
        executor.submit(Job("killer", die_at, {"moment": 0}))
        for number in range(6):
            executor.submit(Job(str(number), identity))
        outcomes = by_key(executor.results())
    assert outcomes.pop("killer").cause == "worker_died"
    assert [outcome.value["shared"] for outcome in outcomes.values()] == [{"value": 7}] * 6


def test_a_faulty_initializer_is_the_outcome_of_the_jobs():
    with ProcessExecutor(1, PRELOAD, broken_initializer) as executor:
        executor.submit(Job("a", identity))
        (outcome,) = executor.results()
    assert (outcome.status, outcome.cause) == ("failed", "error")
    assert "no data here" in outcome.message
    assert "broken_initializer" in outcome.traceback


def test_an_idle_worker_that_is_killed_costs_no_job(executor):
    for number in range(8):
        executor.submit(Job(str(number), identity))
    pids = {outcome.value["pid"] for outcome in executor.results()}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert wait_until_dead(list(pids)) == []
    for number in range(8):
        executor.submit(Job(str(number), identity))
    outcomes = list(executor.results())
    assert [outcome.status for outcome in outcomes] == ["done"] * 8
    assert pids.isdisjoint(outcome.value["pid"] for outcome in outcomes)


def test_arguments_and_results_larger_than_a_pipe(executor):
    array = np.arange(500_000, dtype=np.float64)
    executor.submit(Job("in", total, {"array": array}))
    executor.submit(Job("out", large, {"size": 500_000}))
    outcomes = by_key(executor.results())
    assert outcomes["in"].value == {"sum": float(array.sum())}
    np.testing.assert_array_equal(outcomes["out"].value["array"], array)


def test_close_waits_for_running_jobs_and_leaves_no_process(executor, tmp_path):
    executor.submit(Job("writes", write_late, {"path": str(tmp_path / "late")}))
    executor.submit(Job("id", identity))
    (first,) = (outcome for outcome, _ in zip(executor.results(), range(1), strict=False))
    executor.close()
    assert first.key == "id"
    assert (tmp_path / "late").read_text() == "written"
    assert wait_until_dead([first.value["pid"]]) == []


def write_late(path: str) -> dict:
    time.sleep(1.0)
    Path(path).write_text("written")
    return {}


def test_close_with_kill_does_not_wait(executor):
    executor.submit(Job("id", identity))
    (outcome,) = executor.results()
    executor.submit(Job("a", sleep, {"seconds": 600}))
    executor.submit(Job("b", sleep, {"seconds": 600}))
    assert list(executor.results(timeout=0.3)) == []
    executor.close(kill=True)
    assert wait_until_dead([outcome.value["pid"]]) == []


def test_fewer_than_one_worker_is_refused():
    with pytest.raises(InputError, match="0 workers"):
        ProcessExecutor(0)


def test_a_system_that_starts_no_process_is_one_line(monkeypatch):
    def refuse(*_):
        raise OSError("Resource temporarily unavailable")

    monkeypatch.setattr("pebble.pool.process.launch_process", refuse)
    with pytest.raises(RunFailed, match="cannot start a worker process: Resource"):
        ProcessExecutor(1)


SCRIPT = textwrap.dedent(
    """
    import json, os, sys
    from moesaic.execution import Job, ProcessExecutor
    from moesaic.testing._executors import sleep
    from test_execution_process import identity

    if __name__ == "__main__":
        with ProcessExecutor(2, ("moesaic.testing",)) as executor:
            for number in range(8):
                executor.submit(Job(str(number), identity))
            pids = sorted({outcome.value["pid"] for outcome in executor.results()})
            for number in range(4):
                executor.submit(Job(f"s{number}", sleep, {"seconds": 600}))
            print(json.dumps(pids), flush=True)
            list(executor.results())
    """
)


@pytest.fixture
def coordinator(tmp_path) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """A script in a process group of its own, both workers of which sleep."""
    script = tmp_path / "coordinator.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    assert process.stdout is not None
    pids = json.loads(process.stdout.readline())
    time.sleep(0.3)
    yield process, pids
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize(
    "how", ["kill -9", "Ctrl-C", pytest.param("Ctrl-C to one process", marks=pytest.mark.slow)]
)
def test_no_worker_outlives_its_coordinator(coordinator, how):
    process, pids = coordinator
    assert pids
    assert all(map(alive, pids))
    if how == "kill -9":
        process.kill()
    elif how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert wait_until_dead(pids) == []
    group = [
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if alive(int(path.name)) and os.getpgid(int(path.name)) == process.pid
    ]
    assert wait_until_dead(group) == [], "a helper process of the executor lives on"
    if how != "kill -9":
        assert errors.count("KeyboardInterrupt") == 1, "only the coordinator is interrupted"
        assert process.returncode != 0


@pytest.mark.slow
def test_random_deaths_time_limits_and_cancels_lose_no_other_job():
    rng = random.Random(0)
    expected: dict[str, str] = {}
    with ProcessExecutor(3, PRELOAD) as executor:
        for number in range(150):
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
        executor.submit(Job("long", sleep, {"seconds": 600}))
        found = {}
        for outcome in executor.results():
            found[outcome.key] = outcome.cause or outcome.status
            if len(found) == len(expected):
                executor.cancel("long")
    assert found == expected


def test_an_interrupt_waits_until_a_process_has_started():
    """Else nobody would know of a process half started; another thread may hear it first."""
    handler, steps = signal.getsignal(signal.SIGINT), []
    other = threading.Thread(target=signal.raise_signal, args=(signal.SIGINT,))

    def start():
        with _interrupts_held():
            other.start()
            other.join()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            steps.append("started")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert steps == ["started"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_worker_whose_gpu_is_at_fault_is_replaced():
    """The fault stays with the process: whatever came next there would fail too."""
    pids = []
    with ProcessExecutor(1, PRELOAD) as executor:
        for number, function in enumerate((identity, spoil, identity, identity)):
            executor.submit(Job(str(number), function))
            (outcome,) = executor.results()
            if outcome.status == "done":
                pids.append(outcome.value["pid"])
    assert pids[0] != pids[1] == pids[2]
