"""Who runs a study: a process, and whether it is gone."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["GONE_AFTER_S", "HEARTBEAT_S", "Process"]

HEARTBEAT_S = 60.0
GONE_AFTER_S = 300.0

_SAME_START_S = (
    2.0  # the start time is computed from the clock, which may be corrected while the process lives
)


@dataclass(frozen=True)
class Process:
    """A process, told apart from every other by its host, its id and its start.

    Args:
        host: The host's name and, in a container, the name of the container's own numbering of processes.
        pid: The process id.
        started: When the process started, in seconds since 1970.
    """

    host: str
    pid: int
    started: float

    @classmethod
    def current(cls) -> "Process":
        """Return this process."""
        return cls(_host(), os.getpid(), psutil.Process().create_time())

    @property
    def is_current(self) -> bool:
        """Whether it has this process's host and id."""
        return self.host == _host() and self.pid == os.getpid()

    def gone(self, silent_s: float) -> bool:
        """Whether the process has ended, given how long ago its last heartbeat was.

        On this host the process is looked up: it is gone if the id is free or has passed to a process with
        another start. On another host it is gone after `GONE_AFTER_S` without a heartbeat.
        """
        if self.host != _host():
            return silent_s > GONE_AFTER_S
        try:
            process = psutil.Process(self.pid)
            return (
                process.status() == psutil.STATUS_ZOMBIE
                or abs(process.create_time() - self.started) > _SAME_START_S
            )
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


def _host() -> str:
    # Containers may share a host name but not their process ids: Linux names the numbering that a process id
    # belongs to.
    numbering = ""
    with suppress(OSError):
        numbering = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()} {numbering}".rstrip()
