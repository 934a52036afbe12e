"""A worker process, as its parent sees it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from threading import Thread
from typing import Any, Final

from retia.execute.wire import CALL, FORGET, STOP, pack

__all__ = ["Call", "Function", "WorkerProcess", "threads_environment"]

KEPT_FUNCTIONS: Final = 8
_THREADS: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_SIGNALS: Final = {
    "SIGKILL": ", as the system does when memory runs out",
    "SIGSEGV": ", a crash in native code",
    "SIGBUS": ", a crash in native code",
    "SIGABRT": ", an abort in native code",
}


@dataclass(frozen=True, eq=False)
class Function:
    """A function that workers keep: its number, and the frame that sends it."""

    number: int
    frame: bytes


@dataclass(frozen=True, eq=False)
class Call:
    """A submitted call: its number, its future, its function, and its arguments as a pickle."""

    number: int
    future: Future[Any]
    function: Function
    arguments: bytes


class WorkerProcess:
    """A process that runs one call at a time, with the connection to it.

    It is not a child of `multiprocessing`, which would run the user's script again. It is a new interpreter
    with this one's `sys.path`, in its own session, so that ctrl-C in the terminal does not reach it.

    Args:
        environment: Environment variables of the process.
        on_exit: Callback for the end of the process, called in a thread.

    Attributes:
        ready: Whether the process is up, so that it reads its frames.
        call: The running call, or None.
        deadline: Time at which to kill the process, by `time.monotonic`; None for no limit.
        failure: Error for the running call once the process is to be killed, or None.
        lost: Whether the connection is closed.
    """

    def __init__(self, environment: Mapping[str, str], on_exit: Callable[[], None]) -> None:
        self.connection, theirs = Pipe()
        self.ready = False
        self.call: Call | None = None
        self.deadline: float | None = None
        self.failure: Exception | None = None
        self.lost = False
        self.stopping = False
        self._functions: dict[int, None] = {}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _program(theirs)],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            self.connection.close()
            raise
        finally:
            theirs.close()
        Thread(target=self._reap, args=(on_exit,), name="retia-reaper", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exited(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    @property
    def idle(self) -> bool:
        """Whether the process waits for a call."""
        return self.ready and not (self.call or self.stopping or self.lost or self.exited or self.failure)

    @property
    def ending(self) -> str:
        """A phrase that says how the process ended."""
        code = self._process.returncode
        if code >= 0:
            return f"it exited with status {code}"
        name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
        return f"it was killed by {name}{_SIGNALS.get(name, '')}"

    def start(self, call: Call) -> bool:
        """Send a call; return whether its function is new to the process, which reports when it is loaded.

        Raises:
            OSError: If the process is gone.
        """
        self.call = call
        number = call.function.number
        new = number not in self._functions
        if new:
            if len(self._functions) >= KEPT_FUNCTIONS:
                oldest = next(iter(self._functions))
                self.connection.send_bytes(pack(FORGET, function=oldest))
                del self._functions[oldest]
            self.connection.send_bytes(call.function.frame)
        else:
            del self._functions[number]
        self._functions[number] = None  # the last entry is the most recently used
        self.connection.send_bytes(pack(CALL, call.arguments, function=number, call=call.number))
        return new

    def stop(self) -> None:
        """Ask the process to end; it must be idle, or not up yet."""
        self.stopping = True
        if not self.ready:
            self.kill()
            return
        with suppress(OSError):  # the process is gone already
            self.connection.send_bytes(pack(STOP))

    def kill(self) -> None:
        """Kill the process, and all processes that it has started, at once."""
        if not self.exited:
            self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the group is gone already
            os.killpg(self.pid, signal.SIGKILL)

    def _reap(self, on_exit: Callable[[], None]) -> None:
        """Wait for the process to end, and kill the processes that it has left behind."""
        if sys.platform == "linux":
            # WNOWAIT keeps the number from being used again before the group is gone
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self._kill_group()
            self._process.wait()
        else:
            self._process.wait()
            self._kill_group()
        on_exit()


def threads_environment(threads: int) -> dict[str, str]:
    """Return this process's environment variables, with the thread count of the numeric libraries set."""
    return {**os.environ, **dict.fromkeys(_THREADS, str(threads))}


def _program(connection: Connection) -> str:
    path = [entry for entry in sys.path if isinstance(entry, str)]  # pyright: ignore[reportUnnecessaryIsInstance]
    return (
        f"import sys; sys.path[:] = {path!r}; from retia.execute.worker import main; "
        f"main({connection.fileno()})"
    )
