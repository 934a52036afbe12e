"""A study's record in a database."""

import threading
import weakref
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from retia.errors import StorageError
from retia.storage.address import Address
from retia.storage.connection import Connection
from retia.storage.header import Header
from retia.storage.heartbeat import keep_beating
from retia.storage.process import Process
from retia.storage.record import unbegun, unfinished
from retia.storage.rows import COLUMNS, ending_of, restart_of, row_of, trial_of
from retia.storage.schema import runs, studies, trials
from retia.trial import State, Trial

__all__ = ["DatabaseRecord", "insert_new"]

_SHOWN = [trials.c[name] for name in COLUMNS]
_OF_STUDY = trials.c.study == sa.bindparam("of_study")
_OF_NUMBER = sa.and_(_OF_STUDY, trials.c.number == sa.bindparam("of_number"))

_FINISH = (
    sa.update(trials)
    .where(_OF_NUMBER, trials.c.state == "running")
    .values({name: sa.bindparam(name) for name in ("state", "metrics", "error", "progress", "started", "ended")})
)
_RESTART = (
    sa.update(trials)
    .where(_OF_NUMBER, trials.c.state == sa.bindparam("was"))
    .values({name: sa.bindparam(name) for name in ("run", "state", "metrics", "error", "progress", "started", "ended", "attempts")})
)
_EXISTS = sa.select(trials.c.number).where(_OF_NUMBER)
_NEWER = sa.select(*_SHOWN).where(_OF_STUDY, trials.c.number > sa.bindparam("known")).order_by(trials.c.number)
_ENDED = (
    sa.select(*_SHOWN).where(_OF_STUDY, trials.c.number.in_(sa.bindparam("numbers", expanding=True)), trials.c.state != "running").order_by(trials.c.number)
)
_RUNNERS = (
    sa.select(runs.c.id, runs.c.host, runs.c.pid, runs.c.process_started, runs.c.heartbeat, runs.c.ended)
    .where(runs.c.id.in_(sa.select(trials.c.run).where(_OF_STUDY, trials.c.state == "running")))
)  # fmt: skip
_CLAIM = (
    sa.update(trials)
    .where(_OF_STUDY, trials.c.state == "running", trials.c.run.in_(sa.bindparam("gone", expanding=True)))
    .values(run=sa.bindparam("claimer"))
    .returning(*_SHOWN)
)


class DatabaseRecord:
    """Keep the trials of one study in SQLite or PostgreSQL; see `StudyRecord` for the laws.

    Each call is a transaction of one statement. While the record writes, it holds a connection and a row in `runs`, in which
    a thread notes every minute that the process lives: only a process on another host needs to know, and takes five minutes of
    silence for the end. If a trial is taken over from a process that was merely cut off, both finish it and the first counts.

    Args:
        address: Where.
        study: The study's id in the database.
        header: The study's header, as stored.
        connection: An open connection, which the record takes over.
        writable: Whether it may write; a report's record may not.
    """

    def __init__(self, address: Address, *, study: int, header: Header, connection: Connection, writable: bool) -> None:
        self.header = header
        self._address = address
        self._study = study
        self._held: Connection | None = connection
        self._writable = writable
        self._run: int | None = None
        self._quiet: weakref.finalize[Any, Any] | None = None
        # Every number up to _known has been seen, and so have those in _seen; of others' trials _watched were running.
        self._known = -1
        self._seen: set[int] = set()
        self._watched: set[int] = set()
        self._changes: int | None = None

    def begin(self, trial: Trial) -> bool:
        """Write a new trial; False if its number is taken."""
        values = {"study": self._study, "run": self._running(), **row_of(trial)}
        begun = self._connection.execute(_BEGIN[self._connection.dialect], values).rowcount == 1
        if begun:
            self._see(trial.number)
        return begun

    def finish(self, trial: Trial) -> None:
        """Write how a running trial ended; if another record has ended it, that end stands and comes with the next `refresh`.

        Raises:
            StorageError: If the trial has not ended, or never began.
        """
        if not trial.finished:
            raise StorageError(unfinished(trial))
        self._running()
        of = {"of_study": self._study, "of_number": trial.number}
        if self._connection.execute(_FINISH, {**of, **ending_of(trial)}).rowcount == 1:
            self._watched.discard(trial.number)
            return
        if self._connection.execute(_EXISTS, of).first() is None:
            raise StorageError(unbegun(trial, self.header.name))
        self._watched.add(trial.number)
        self._changes = None

    def restart(self, trial: Trial, *, was: State) -> bool:
        """Write that a trial starts again; False if another record has started it, or ended it otherwise."""
        of = {"of_study": self._study, "of_number": trial.number, "was": was, "run": self._running()}
        self._watched.discard(trial.number)
        return self._connection.execute(_RESTART, {**of, **restart_of(trial)}).rowcount == 1

    def refresh(self) -> list[Trial]:
        """Return what other records have begun or ended since the last call; the first call returns all there is."""
        changes = self._connection.changes()
        if changes is not None and changes == self._changes:
            return []
        rows = self._connection.execute(_NEWER, {"of_study": self._study, "known": self._known}).all()
        new = [trial_of(row) for row in rows if row[0] not in self._seen]
        ended = list[Trial]()
        if self._watched:
            found = self._connection.execute(_ENDED, {"of_study": self._study, "numbers": sorted(self._watched)})
            ended = [trial_of(row) for row in found]
        for trial in new:
            self._see(trial.number)
            if not trial.finished:
                self._watched.add(trial.number)
        self._watched.difference_update(trial.number for trial in ended)
        self._changes = changes
        return sorted(ended + new, key=_number) if ended else new

    def claim(self) -> list[Trial]:
        """Take over the running trials whose run has ended or whose process is gone."""
        run, now = self._running(), self._connection.now()
        gone = list[int]()
        for row in self._connection.execute(_RUNNERS, {"of_study": self._study}).all():
            if row.id != run and (row.ended is not None or Process(row.host, row.pid, row.process_started).gone(now - row.heartbeat)):
                gone.append(row.id)
        if not gone:
            return []
        rows = self._connection.execute(_CLAIM, {"of_study": self._study, "gone": gone, "claimer": run}).all()
        claimed = sorted((trial_of(row) for row in rows), key=_number)
        for trial in claimed:
            self._see(trial.number)
            self._watched.discard(trial.number)
        return claimed

    def close(self, stop_reason: str | None) -> None:
        """End this run of the study, and note why it stopped, if it did."""
        if stop_reason is not None and self._writable:
            self._running()
        if self._quiet is not None:
            self._quiet()
        try:
            if self._run is not None:
                with self._connection.transaction():
                    self._connection.execute(sa.update(runs).where(runs.c.id == self._run).values(ended=self._connection.now()))
                    if stop_reason is not None:
                        self._connection.execute(sa.update(studies).where(studies.c.id == self._study).values(stop_reason=stop_reason))
        finally:
            if self._held is not None:
                self._held.close()
            self._held = self._run = self._quiet = self._changes = None

    @property
    def _connection(self) -> Connection:
        if self._held is None:
            held = Connection(self._address, "write" if self._writable else "read")
            if held.execute(sa.select(studies.c.name).where(studies.c.id == self._study)).scalar() != self.header.name:
                held.close()
                msg = f"Study '{self.header.name}' is no longer in {self._address}: the storage was replaced. Open the study anew."
                raise StorageError(msg)
            self._held = held
        return self._held

    def _running(self) -> int:
        """Return this run's id; make it at the first write, so that a study that is only looked at has no runs."""
        if self._run is not None:
            return self._run
        if not self._writable:
            msg = f"Study '{self.header.name}' in {self._address} was opened to be read only. To write to it, use Database(...).open(header)."
            raise StorageError(msg)
        me, connection = Process.current(), self._connection
        values = {"study": self._study, "host": me.host, "pid": me.pid, "process_started": me.started, "heartbeat": connection.now()}
        with connection.transaction():
            run = connection.execute(sa.insert(runs).returning(runs.c.id), values).scalar_one()
            connection.execute(sa.update(studies).where(studies.c.id == self._study).values(stop_reason=None))
        stop = threading.Event()
        keep_beating(self._address, run, stop)
        self._quiet = weakref.finalize(self, stop.set)
        self._run = run
        return run

    def _see(self, number: int) -> None:
        self._seen.add(number)
        while self._known + 1 in self._seen:
            self._known += 1
            self._seen.remove(self._known)


def insert_new(table: sa.Table, dialect: str) -> sa.Executable:
    """Return the statement that inserts a row unless its key is taken."""
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return insert.on_conflict_do_nothing().execution_options(preserve_rowcount=True)


_BEGIN = {dialect: insert_new(trials, dialect) for dialect in ("sqlite", "postgresql")}


def _number(trial: Trial) -> int:
    return trial.number
