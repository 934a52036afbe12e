"""The executor that a number of workers asks for, and what is asked of any."""

from concurrent.futures import Executor

from retia.errors import ExecutorError
from retia.execute.in_process import InProcess
from retia.execute.processes import Processes, check_count

__all__ = ["executor_for", "let_go", "slots_of"]


def executor_for(workers: int, time_limit_s: float | None = None) -> InProcess | Processes:
    """Return the executor for `workers` calls at once: `InProcess` for one, `Processes` for more.

    Raises:
        ExecutorError: If `workers` is not a whole number of at least 1, or one worker is to keep a time
            limit.
    """
    check_count("workers", workers)
    if workers != 1:
        return Processes(workers, time_limit_s=time_limit_s)
    if time_limit_s is not None:
        msg = (
            "A time limit needs a process that can be killed, but workers=1 runs in this one "
            f"(time_limit_s={time_limit_s!r}). "
            f"Take workers=2 or more, or executor=Processes(1, time_limit_s={time_limit_s!r})."
        )
        raise ExecutorError(msg)
    return InProcess()


def slots_of(executor: Executor) -> int:
    """Return how many calls an executor runs at once, which the standard library's keep to themselves; 1 if
    it does not tell.
    """
    counts = (getattr(executor, name, None) for name in ("max_workers", "_max_workers", "_workers"))
    return next((count for count in counts if isinstance(count, int)), 1)


def let_go(executor: Executor, *, cut_off: bool) -> None:
    """End an executor; cut off, without waiting for what its workers run."""
    if cut_off and isinstance(executor, Processes):
        executor.kill_workers()  # what they run stays recorded as running, and is taken up again
    else:
        executor.shutdown()
