"""The executor that a number of workers asks for."""

from retia.errors import ExecutorError
from retia.execute.in_process import InProcess
from retia.execute.processes import Processes

__all__ = ["executor_for"]


def executor_for(workers: int, time_limit_s: float | None = None) -> InProcess | Processes:
    """Return the executor for `workers` calls at once: `InProcess` for one, `Processes` for more.

    Raises:
        ExecutorError: If there is no worker, or one worker is to keep a time limit.
    """
    if workers != 1:
        return Processes(workers, time_limit_s=time_limit_s)
    if time_limit_s is not None:
        msg = (
            f"A time limit needs a process that can be killed, but workers=1 runs in this one (time_limit_s={time_limit_s!r}). "
            f"Take workers=2 or more, or executor=Processes(1, time_limit_s={time_limit_s!r})."
        )
        raise ExecutorError(msg)
    return InProcess()
