"""One thread, in all that computes, and afterwards as many as before."""

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from moesaic.execution import one_thread


def threads() -> list[int]:
    return [torch.get_num_threads(), *(one["num_threads"] for one in threadpool_info())]


def test_all_libraries_compute_with_one_thread_and_get_theirs_back() -> None:
    with threadpool_limits(limits=2):
        torch.set_num_threads(2)
        before = threads()
        assert max(before) == 2
        with one_thread():
            assert set(threads()) == {1}
        assert threads() == before
        with pytest.raises(ValueError, match="in between"), one_thread():
            raise ValueError("in between")
        assert threads() == before
    torch.set_num_threads(1)
