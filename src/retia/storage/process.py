"""The process that runs a study, and whether it has ended."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["GONE_AFTER_S", "HEARTBEAT_S", "Process"]

HEARTBEAT_S = 60.0
GONE_AFTER_S = 300.0

_SAME_START_S = 2.0  # the start time follows the clock, which may be corrected while the process lives


@dataclass(frozen=True)
class Process:
    """A process, identified by its host, its id and its start.

    Args:
        host: Name of the host and, in a container, of the container's process namespace.
        pid: Process id.
        started: Start of the process, in seconds since 1970.
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
        """Whether the process has this process's host and id."""
        return self.host == _host() and self.pid == os.getpid()

    def gone(self, silent_s: float) -> bool:
        """Return whether the process has ended, given the seconds since its last heartbeat.

        A process on this host has ended if its id is free, or belongs to a process with another start. A
        process on another host counts as ended after `GONE_AFTER_S` without a heartbeat.
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
    # Containers may share a host name but not their process ids; Linux names the namespace of an id.
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()} {namespace}".rstrip()
