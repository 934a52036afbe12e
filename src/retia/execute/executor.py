"""The executor for a number of workers, and what a study needs of any executor."""

from concurrent.futures import Executor

from retia.errors import ExecutorError
from retia.execute.in_process import InProcess
from retia.execute.processes import Processes, require_count

__all__ = ["executor_for", "release_executor", "slots_of"]


def executor_for(workers: int, time_limit_s: float | None = None) -> InProcess | Processes:
    """Return the executor for `workers` calls at once: `InProcess` for one, `Processes` for more.

    Raises:
        ExecutorError: If `workers` is not a whole number of at least 1, or `time_limit_s` is given for one
            worker.
    """
    require_count("workers", workers)
    if workers != 1:
        return Processes(workers, time_limit_s=time_limit_s)
    if time_limit_s is not None:
        msg = (
            "A time limit needs a process that can be killed, but workers=1 runs in this process "
            f"(time_limit_s={time_limit_s!r}). "
            f"Use workers=2 or more, or executor=Processes(1, time_limit_s={time_limit_s!r})."
        )
        raise ExecutorError(msg)
    return InProcess()


def slots_of(executor: Executor) -> int:
    """Return the number of calls that an executor runs at once; 1 if it has no attribute that says so."""
    counts = (getattr(executor, name, None) for name in ("max_workers", "_max_workers", "_workers"))
    return next((count for count in counts if isinstance(count, int)), 1)


def release_executor(executor: Executor, *, cut_off: bool) -> None:
    """Shut an executor down; if `cut_off`, without waiting for the running calls of `Processes`."""
    if cut_off and isinstance(executor, Processes):
        executor.kill_workers()  # their trials stay recorded as running, and are evaluated again
    else:
        executor.shutdown()
