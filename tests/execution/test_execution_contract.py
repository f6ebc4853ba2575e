"""Both built-in executors obey the contract; what is special to one is tested beside this file."""

from moesaic.execution import Executor, InProcessExecutor, ProcessExecutor
from moesaic.testing import ExecutorContract


class TestInProcessExecutor(ExecutorContract):
    isolated = False

    def make(self) -> Executor:
        return InProcessExecutor()


class TestProcessExecutor(ExecutorContract):
    def make(self) -> Executor:
        return ProcessExecutor(workers=2, preload=("moesaic.testing",))
