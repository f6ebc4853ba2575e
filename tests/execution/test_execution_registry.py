"""Executors by name and the measurement of a job's memory."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from moesaic.bank import CAUSES
from moesaic.errors import BuildError, InputError
from moesaic.execution import InProcessExecutor, ProcessExecutor, get_executor, peak_memory
from moesaic.execution import _registry as registry
from moesaic.execution._perform import cause_of


def make_third_party(workers: int, address: str = "nowhere") -> InProcessExecutor:
    executor = InProcessExecutor()
    executor.capacity = workers
    executor.address = address
    return executor


def test_built_in_names():
    assert isinstance(get_executor("inprocess", 3), InProcessExecutor)
    with get_executor("process", 1) as executor:
        assert isinstance(executor, ProcessExecutor)
        assert executor.capacity == 1


@pytest.mark.parametrize("name", ["process", "inprocess"])
def test_an_address_is_refused_by_what_works_on_this_machine_only(name):
    with pytest.raises(InputError, match=f"'{name}' works on this machine only .* there:1"):
        get_executor(name, 1, address="there:1")


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'moesaic\[ray\]'"):
        get_executor("ray", 1)


def test_an_unknown_name_is_answered_with_the_near_ones():
    with pytest.raises(InputError, match="unknown executor 'proces': did you mean process"):
        get_executor("proces", 1)


def test_third_party_executors_come_from_entry_points(monkeypatch):
    def entries(group):
        assert group == "moesaic.executors"
        return [
            EntryPoint("cluster", f"{__name__}:make_third_party", group),
            EntryPoint("wrong", "builtins:int", group),
        ]

    monkeypatch.setattr(registry, "entry_points", entries)
    assert get_executor("cluster", 5).capacity == 5
    assert get_executor("cluster", 5).address == "nowhere"
    assert get_executor("cluster", 5, address="there:1").address == "there:1"
    with pytest.raises(InputError, match="'wrong' made a int"):
        get_executor("wrong", 5)
    with pytest.raises(InputError, match="cluster"):
        get_executor("clusters", 5)


def test_every_cause_is_one_that_the_bank_stores():
    for error in (ValueError(), MemoryError(), BuildError(), RuntimeError("x")):
        assert cause_of(error) in CAUSES


@pytest.mark.skipif(sys.platform != "linux", reason="measured on Linux only")
def test_peak_memory_counts_what_was_freed_again_and_forgets_earlier_jobs():
    size = 64 * 2**20
    for megabytes in (64, 16, 64):
        with peak_memory() as peak:
            block = np.ones(megabytes * 2**20, dtype=np.uint8)
            del block
        wanted = megabytes * 2**20
        assert 0.9 * wanted <= peak.bytes <= wanted + size / 4


class FakeCuda:
    """Two GPUs on which 100 bytes were allocated before the job, and 700 more in it."""

    def __init__(self) -> None:
        self.cleared, self.ran = 0, False

    def is_available(self):
        return True

    is_initialized = is_available

    def device_count(self):
        return 2

    def empty_cache(self):
        self.cleared += 1

    def reset_peak_memory_stats(self, device):
        pass

    def memory_allocated(self, device):
        return 50

    def max_memory_allocated(self, device):
        return 400


def test_peak_memory_is_the_gpus_where_one_was_used(monkeypatch):
    cuda = FakeCuda()
    monkeypatch.setattr("torch.cuda", cuda)
    with peak_memory() as peak:
        np.ones(2**20)
    assert peak.bytes == 700
    assert cuda.cleared == 1


def test_what_cuda_says_of_memory_is_out_of_memory():
    for text in ("CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when"):
        assert cause_of(RuntimeError(text)) == "out_of_memory"
    assert cause_of(RuntimeError("CUDA error: device-side assert triggered")) == "error"


def test_peak_memory_is_zero_where_it_cannot_be_measured(monkeypatch, tmp_path):
    from moesaic.execution import _memory

    monkeypatch.setattr(_memory, "_CLEAR", tmp_path / "none" / "clear_refs")
    with peak_memory() as peak:
        np.ones(2**20)
    assert peak.bytes == 0
