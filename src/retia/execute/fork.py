"""The copies that `os.fork()` makes of a process that runs a call."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["copies_ended", "end_copy"]


@contextmanager
def copies_ended() -> Generator[None]:
    """End, where the block ends, every process but the one that has entered it.

    A call that forks may return in both processes, and its copy would go on with what is the original's
    alone: it would answer for it, run a study for a second time, and remove its files. The copy is not left
    to unwind, for that would close and remove as well.
    """
    pid = os.getpid()
    try:
        yield
    except SystemExit as ending:
        if os.getpid() != pid:
            os._exit(
                ending.code if isinstance(ending.code, int) else bool(ending.code)
            )  # it ends by itself, as it should
        raise
    finally:
        if os.getpid() != pid:
            end_copy(pid)


def end_copy(pid: int) -> NoReturn:
    """End this process, a copy of the process `pid`, at once and with a word about it."""
    msg = (
        f"Process {os.getpid()} is a copy of process {pid}, made by os.fork() in an evaluator, "
        "and ends here: only the original goes on. "
        f"End such a process with os._exit(status), or start it with subprocess.\n"
    )
    os.write(2, msg.encode())  # not by sys.stderr, whose buffer is a copy too
    os._exit(1)
