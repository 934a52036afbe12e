"""Copies that `os.fork()` makes of a process while it runs a call."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["copies_ended", "end_copy"]


@contextmanager
def copies_ended() -> Generator[None]:
    """End, at the end of the block, every process except the one that entered it.

    A call that forks may return in both processes. The copy would continue with what belongs to the original:
    it would answer for it, run a study for a second time, and remove its files. The copy does not unwind its
    stack, because that would close and remove as well.
    """
    pid = os.getpid()
    try:
        yield
    except SystemExit as ending:
        if os.getpid() != pid:
            os._exit(ending.code if isinstance(ending.code, int) else bool(ending.code))  # its own exit
        raise
    finally:
        if os.getpid() != pid:
            end_copy(pid)


def end_copy(pid: int) -> NoReturn:
    """End this process, a copy of the process `pid`, at once, with a message on standard error."""
    msg = (
        f"Process {os.getpid()} is a copy of process {pid}, made by os.fork() in an evaluator, "
        "and ends here: only the original continues. "
        "End such a process with os._exit(status), or start it with subprocess.\n"
    )
    os.write(2, msg.encode())  # not through sys.stderr, whose buffer is a copy too
    os._exit(1)
