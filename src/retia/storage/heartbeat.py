"""The heartbeat of a run."""

import logging
import threading

import sqlalchemy as sa

from retia.errors import StorageError
from retia.storage.address import Address
from retia.storage.connection import Connection
from retia.storage.process import GONE_AFTER_S, HEARTBEAT_S
from retia.storage.schema import runs

__all__ = ["Heartbeat", "beating"]

_log = logging.getLogger(__name__)


class Heartbeat(threading.Thread):
    """A thread that writes every minute that a run is alive, until `stopped` is set.

    It is a thread because a trial that trains for hours in this process does not write to the study. It opens
    a connection for each write, so that it and the study never wait for each other.
    """

    def __init__(self, address: Address, study: str, run: int, *, every_s: float = HEARTBEAT_S) -> None:
        super().__init__(name="retia-heartbeat", daemon=True)
        self.study = study
        self.run_id = run
        self.stopped = threading.Event()
        self._address = address
        self._every_s = every_s

    def run(self) -> None:
        """Write the time until `stopped` is set."""
        while not self.stopped.wait(self._every_s):
            try:
                connection = Connection(self._address, "write")
                try:
                    connection.execute(
                        sa.update(runs).where(runs.c.id == self.run_id).values(heartbeat=connection.now())
                    )
                finally:
                    connection.close()
            except StorageError as error:
                _log.warning(
                    "No heartbeat could be written; after %g s without one, another host may take over the "
                    "trials: %s",
                    GONE_AFTER_S,
                    error,
                )


def beating(study: str) -> set[int]:
    """Return the runs of a study that this process runs at the moment."""
    return {
        one.run_id
        for one in threading.enumerate()
        if isinstance(one, Heartbeat) and one.study == study and not one.stopped.is_set()
    }
