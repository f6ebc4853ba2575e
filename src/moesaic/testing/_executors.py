"""The contract suite of an executor, for ours and for third parties; it holds no executor."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from moesaic.bank import CAUSES
from moesaic.errors import BuildError, Diverged, InputError, TimeLimit
from moesaic.execution import Executor, Job, Outcome


class ExecutorContract(ABC):
    """Subclass it, name the subclass `Test...` and say in `make` how the executor is made.

    Attributes:
        isolated: whether a job runs in a process of its own, whose death the executor survives.
    """

    isolated: bool = True

    @abstractmethod
    def make(self) -> Executor:
        """Return a new executor; with a capacity of 2 where it can."""

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        """Yield a new executor and end it, killing what a failed test left running."""
        executor = self.make()
        yield executor
        executor.close(kill=True)

    def test_capacity_is_positive(self, executor: Executor) -> None:
        assert executor.capacity >= 1

    def test_every_job_yields_its_value_once(self, executor: Executor) -> None:
        for number in range(12):
            executor.submit(Job(f"j{number}", double, {"number": number}))
        outcomes = list(executor.results())
        assert sorted(o.key for o in outcomes) == sorted(f"j{n}" for n in range(12))
        assert {o.key: o.value for o in outcomes} == {f"j{n}": {"twice": 2 * n} for n in range(12)}
        assert all(o.status == "done" and o.cause is None and o.seconds >= 0 for o in outcomes)

    def test_nothing_under_way_ends_at_once(self, executor: Executor) -> None:
        assert list(executor.results()) == []
        executor.submit(Job("a", double, {"number": 1}))
        assert [o.key for o in executor.results()] == ["a"]
        assert list(executor.results()) == []

    def test_jobs_may_be_submitted_while_iterating(self, executor: Executor) -> None:
        executor.submit(Job("0", double, {"number": 0}))
        seen = []
        for outcome in executor.results():
            seen.append(outcome.key)
            if len(seen) < 5:
                executor.submit(Job(str(len(seen)), double, {"number": len(seen)}))
        assert seen == ["0", "1", "2", "3", "4"]

    def test_a_key_may_come_again_after_its_outcome(self, executor: Executor) -> None:
        executor.submit(Job("a", double, {"number": 1}))
        with pytest.raises(InputError, match="'a'"):
            executor.submit(Job("a", double, {"number": 2}))
        assert [o.value for o in executor.results()] == [{"twice": 2}]
        executor.submit(Job("a", double, {"number": 3}))
        assert [o.value for o in executor.results()] == [{"twice": 6}]

    @pytest.mark.parametrize(
        ("fault", "cause"),
        [
            ("build", "build_error"),
            ("diverged", "diverged"),
            ("limit", "time_limit"),
            ("memory", "out_of_memory"),
            ("device memory", "out_of_memory"),
            ("allocator", "out_of_memory"),
            ("value", "error"),
            ("exit", "error"),
        ],
    )
    def test_a_fault_is_an_outcome_with_its_cause(
        self, executor: Executor, fault: str, cause: str
    ) -> None:
        executor.submit(Job("bad", raise_fault, {"fault": fault}))
        executor.submit(Job("good", double, {"number": 1}))
        outcomes = by_key(executor.results())
        assert outcomes["bad"].status == "failed"
        assert outcomes["bad"].cause == cause
        assert outcomes["bad"].cause in CAUSES
        assert outcomes["bad"].value is None
        assert "raise_fault" in outcomes["bad"].traceback
        assert outcomes["bad"].message
        assert "\n" not in outcomes["bad"].message
        assert outcomes["good"].status == "done"

    def test_the_whole_chain_of_a_traceback_is_kept(self, executor: Executor) -> None:
        executor.submit(Job("bad", raise_chain))
        (outcome,) = executor.results()
        assert "ZeroDivisionError" in outcome.traceback
        assert "RuntimeError: outer" in outcome.traceback

    def test_a_time_limit_stops_one_job_only(self, executor: Executor) -> None:
        executor.submit(Job("slow", sleep, {"seconds": 600}, timeout=0.5))
        executor.submit(Job("quick", double, {"number": 1}, timeout=60))
        executor.submit(Job("also quick", double, {"number": 2}))
        outcomes = by_key(executor.results())
        assert (outcomes["slow"].status, outcomes["slow"].cause) == ("failed", "time_limit")
        assert "0.5 s" in outcomes["slow"].message
        assert outcomes["quick"].value == {"twice": 2}
        assert outcomes["also quick"].value == {"twice": 4}

    def test_a_cancelled_job_yields_nothing(self, executor: Executor) -> None:
        for number in range(6):
            executor.submit(Job(f"j{number}", double, {"number": number}))
        executor.cancel("j5")
        executor.cancel("never heard of")
        assert sorted(o.key for o in executor.results()) == ["j0", "j1", "j2", "j3", "j4"]
        executor.submit(Job("j5", double, {"number": 7}))
        assert [o.value for o in executor.results()] == [{"twice": 14}]

    def test_a_closed_executor_takes_no_jobs(self, executor: Executor) -> None:
        executor.submit(Job("a", double, {"number": 1}))
        executor.close(kill=True)
        executor.close()
        assert list(executor.results()) == []
        with pytest.raises(InputError, match="closed"):
            executor.submit(Job("b", double, {"number": 1}))

    @pytest.mark.parametrize("how", ["sigkill", "status 0", "status 3"])
    def test_a_dead_worker_fails_its_own_job_only(self, executor: Executor, how: str) -> None:
        self._needs_isolation()
        executor.submit(Job("killer", die, {"how": how}))
        for number in range(8):
            executor.submit(Job(f"j{number}", double, {"number": number, "pause": 0.05}))
        outcomes = by_key(executor.results())
        killer = outcomes.pop("killer")
        assert (killer.status, killer.cause) == ("failed", "worker_died")
        assert killer.message
        assert {o.status for o in outcomes.values()} == {"done"}
        assert len(outcomes) == 8

    def test_every_worker_may_die_again_and_again(self, executor: Executor) -> None:
        self._needs_isolation()
        for number in range(4):
            executor.submit(Job(f"k{number}", die, {"how": "sigkill"}))
            executor.submit(Job(f"j{number}", double, {"number": number}))
        outcomes = by_key(executor.results())
        assert len(outcomes) == 8
        for number in range(4):
            assert outcomes[f"k{number}"].cause == "worker_died"
            assert outcomes[f"j{number}"].value == {"twice": 2 * number}

    def test_what_cannot_be_sent_is_an_error(self, executor: Executor) -> None:
        self._needs_isolation()
        executor.submit(Job("result", unsendable))
        executor.submit(Job("argument", double, {"number": lambda: 1}))
        executor.submit(Job("good", double, {"number": 1}))
        outcomes = by_key(executor.results())
        assert outcomes["result"].cause == "error"
        assert outcomes["argument"].cause == "error"
        assert "sent" in outcomes["result"].message
        assert "sent" in outcomes["argument"].message
        assert outcomes["good"].status == "done"

    def test_a_running_job_can_be_cancelled(self, executor: Executor) -> None:
        self._needs_isolation()
        executor.submit(Job("long", sleep, {"seconds": 600}))
        executor.submit(Job("quick", double, {"number": 1}))
        results = executor.results()
        if executor.capacity > 1:
            assert next(results).key == "quick"
        else:
            executor.cancel("quick")
        assert list(executor.results(timeout=0.5)) == []
        executor.cancel("long")
        assert list(executor.results()) == []
        executor.submit(Job("long", double, {"number": 4}))
        assert [o.value for o in executor.results()] == [{"twice": 8}]

    def test_a_job_reads_and_writes_its_folder(self, executor: Executor, tmp_path: Path) -> None:
        (tmp_path / "data" / "inner").mkdir(parents=True)
        (tmp_path / "data" / "a.txt").write_text("a")
        (tmp_path / "data" / "inner" / "b.txt").write_text("b")
        (tmp_path / "alone.txt").write_bytes(b"")
        needs = ("data", "alone.txt", "missing.txt")
        for number in range(4):
            executor.submit(folder_job(f"j{number}", tmp_path, needs, number=number))
        seen = set()
        for outcome in executor.results():
            assert outcome.status == "done", outcome
            number = int(outcome.key[1:])
            assert outcome.value["read"] == ["alone.txt:", "data/a.txt:a", "data/inner/b.txt:b"]
            names = (outcome.value["predictions"], *outcome.value["files"])
            assert outcome.value["checkpoint"] is None
            # in place when the outcome is yielded, whatever else is still running
            for name in names:
                assert (tmp_path / name).read_text() == f"{name} of {number}"
            seen.add(number)
        assert seen == set(range(4))
        assert not list(tmp_path.rglob(".tmp-*"))

    def test_a_job_sees_the_newest_of_what_it_needs(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        for text in ("first", "second, longer", "third, as long"):
            (tmp_path / "a.txt").write_text(text)
            for number in range(3):
                executor.submit(folder_job(f"j{number}", tmp_path, ("a.txt",), number=number))
            for outcome in executor.results():
                assert outcome.value["read"] == [f"a.txt:{text}"]

    def test_folders_are_kept_apart(self, executor: Executor, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.txt").write_text(name)
            executor.submit(folder_job(name, tmp_path / name, ("a.txt",)))
        outcomes = by_key(executor.results())
        for name in ("one", "two"):
            assert outcomes[name].value["read"] == [f"a.txt:{name}"]
            assert (tmp_path / name / "out" / "0.txt").is_file()

    def test_a_failed_job_leaves_its_folder_as_it_was(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        (tmp_path / "a.txt").write_text("a")
        words = {"path": str(tmp_path), "fault": "value"}
        executor.submit(Job("bad", fail_in_folder, words, folder=tmp_path, needs=("a.txt",)))
        (outcome,) = executor.results()
        assert outcome.cause == "error"
        assert "no such thing" in outcome.message
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]

    def _needs_isolation(self) -> None:
        if not self.isolated:
            pytest.skip("the executor runs jobs in this very process")


def by_key(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """Return outcomes by key, and fail when one comes twice."""
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        assert outcome.key not in found, f"{outcome.key} came twice"
        found[outcome.key] = outcome
    return found


def double(number: int, pause: float = 0.0) -> dict[str, Any]:
    """A job that works."""
    time.sleep(pause)
    return {"twice": 2 * number}


def folder_job(key: str, folder: Path, needs: tuple[str, ...], number: int = 0) -> Job:
    """Return a job that reads all it finds of a folder and writes two files into it."""
    words = {"path": str(folder), "number": number, "needs": needs}
    return Job(key, work_in_folder, words, folder=folder, needs=needs)


def work_in_folder(path: str, number: int, needs: tuple[str, ...]) -> dict[str, Any]:
    """A job that works in a directory."""
    folder = Path(path)
    files = [file for need in needs for file in [folder / need, *(folder / need).rglob("*")]]
    read = [
        f"{file.relative_to(folder).as_posix()}:{file.read_text()}"
        for file in files
        if file.is_file()
    ]
    names = [f"out/{number}.txt", f"out/deep/{number}.txt"]
    (folder / "out" / "deep").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"{name} of {number}")
    return {
        "read": sorted(read),
        "predictions": names[0],
        "checkpoint": None,
        "files": names[1:],
    }


def fail_in_folder(path: str, fault: str) -> dict[str, Any]:
    """A job that fails in a directory, having read it."""
    (Path(path) / "a.txt").read_text()
    return raise_fault(fault)


def sleep(seconds: float) -> dict[str, Any]:
    """A job that takes its time and swallows every ordinary exception."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            time.sleep(0.05)
    return {}


def raise_fault(fault: str) -> dict[str, Any]:
    """A job that raises."""
    faults: dict[str, BaseException] = {
        "build": BuildError("two words\nand a second line"),
        "diverged": Diverged("loss is nan at step 3"),
        "limit": TimeLimit("own limit"),
        "memory": MemoryError(),
        "device memory": torch.OutOfMemoryError("CUDA out of memory"),
        "allocator": RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        "value": ValueError("no such thing"),
        "exit": SystemExit(0),
    }
    raise faults[fault]


def raise_chain() -> dict[str, Any]:
    """A job that raises because of another exception."""
    try:
        return {"never": 1 / 0}
    except ZeroDivisionError as error:
        raise RuntimeError("outer") from error


def unsendable() -> dict[str, Any]:
    """A job whose result cannot be pickled."""
    return {"function": lambda: None}


def die(how: str) -> dict[str, Any]:
    """A job that takes its process along."""
    if how == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(int(how.rsplit(maxsplit=1)[-1]))
