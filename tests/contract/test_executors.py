"""Every executor that a study may be given obeys the laws of `concurrent.futures.Executor`."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from retia.execute import InProcess, Processes
from retia.testing.executors import EXECUTOR_LAWS, ExecutorLaw, MakeExecutor

EXECUTORS = {
    "InProcess": InProcess,
    "Processes-1": lambda: Processes(1),
    "Processes-2": lambda: Processes(2, time_limit_s=60),
    "ThreadPoolExecutor": lambda: ThreadPoolExecutor(2),
}


@pytest.mark.parametrize("make_executor", EXECUTORS.values(), ids=EXECUTORS)
@pytest.mark.parametrize("law", EXECUTOR_LAWS, ids=lambda law: law.__name__)
def test_executor(law: ExecutorLaw, make_executor: MakeExecutor) -> None:
    law(make_executor)
