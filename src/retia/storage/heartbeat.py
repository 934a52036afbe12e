"""The sign of life of a run."""

import logging
from threading import Event, Thread

import sqlalchemy as sa

from retia.errors import StorageError
from retia.storage.address import Address
from retia.storage.connection import Connection
from retia.storage.process import GONE_AFTER_S, HEARTBEAT_S
from retia.storage.schema import runs

__all__ = ["keep_beating"]

_log = logging.getLogger(__name__)


def keep_beating(address: Address, run: int, stop: Event, *, every_s: float = HEARTBEAT_S) -> Thread:
    """Start a thread that notes every minute that the run lives, until `stop` is set.

    A thread, because a trial that trains for hours in this process would keep the study from writing anything. It opens a
    connection for each note, so that it never waits for the study's own, nor the study for it.
    """
    thread = Thread(target=_beat, args=(address, run, stop, every_s), name="retia-heartbeat", daemon=True)
    thread.start()
    return thread


def _beat(address: Address, run: int, stop: Event, every_s: float) -> None:
    while not stop.wait(every_s):
        try:
            connection = Connection(address, "write")
            try:
                connection.execute(sa.update(runs).where(runs.c.id == run).values(heartbeat=connection.now()))
            finally:
                connection.close()
        except StorageError as error:
            _log.warning("No sign of life could be written; after %g s of silence another host may take over the trials: %s", GONE_AFTER_S, error)
