"""The record of a study in a database."""

import weakref
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from retia.errors import StorageError
from retia.storage.address import Address
from retia.storage.connection import Connection
from retia.storage.header import UNREADABLE, Header
from retia.storage.heartbeat import Heartbeat, beating
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
    .values(
        {name: sa.bindparam(name) for name in ("state", "metrics", "error", "progress", "started", "ended")}
    )
)
_RESTART = (
    sa.update(trials)
    .where(_OF_NUMBER, trials.c.state == sa.bindparam("was"))
    .values(
        {
            name: sa.bindparam(name)
            for name in ("run", "state", "metrics", "error", "progress", "started", "ended", "attempts")
        }
    )
)
_EXISTS = sa.select(trials.c.number).where(_OF_NUMBER)
_NEWER = (
    sa.select(*_SHOWN).where(_OF_STUDY, trials.c.number > sa.bindparam("known")).order_by(trials.c.number)
)
_ENDED = (
    sa.select(*_SHOWN)
    .where(
        _OF_STUDY, trials.c.number.in_(sa.bindparam("numbers", expanding=True)), trials.c.state != "running"
    )
    .order_by(trials.c.number)
)
_BEGUN_BY = sa.select(trials.c.run, trials.c.key, trials.c.state, trials.c.started).where(_OF_NUMBER)
_RUNNING = sa.and_(_OF_STUDY, trials.c.state == "running")
_RUNNERS = (
    sa.select(trials.c.run, runs.c.host, runs.c.pid, runs.c.process_started, runs.c.heartbeat, runs.c.ended)
    .select_from(trials.outerjoin(runs, runs.c.id == trials.c.run))
    .where(_RUNNING)
    .distinct()
)
_CLAIM = (
    sa.update(trials)
    .where(_RUNNING, trials.c.run.in_(sa.bindparam("gone", expanding=True)))
    .values(run=sa.bindparam("claimer"))
)
_CLAIMED = (
    sa.select(*_SHOWN).where(_RUNNING, trials.c.run == sa.bindparam("claimer")).order_by(trials.c.number)
)


class DatabaseRecord:
    """Keeps the trials of one study in SQLite or PostgreSQL; see `StudyRecord` for the laws.

    Each statement is its own transaction, and may be executed twice. While the record writes, it holds a
    connection and a row in `runs`, where a thread writes every minute that the process is alive. Only a
    process on another host needs that: it takes over the trials after five minutes without a heartbeat. If
    the first process was only disconnected, both finish the trial, and the first end counts.

    Args:
        address: Place of the storage.
        study: Number of the study in the database.
        uid: Unique id of the study.
        header: Header of the study, as stored.
        connection: Open connection, which the record takes over.
        writable: Whether the record may write.
    """

    def __init__(
        self,
        address: Address,
        *,
        study: int,
        uid: str,
        header: Header,
        connection: Connection,
        writable: bool,
    ) -> None:
        self.header = header
        self.uid = uid
        self._address = address
        self._study = study
        self._held: Connection | None = connection
        self._writable = writable
        self._run: int | None = None
        self._quiet: weakref.finalize[Any, Any] | None = None
        self._mine: set[int] = set()  # running trials that this run has begun or claimed
        # All numbers up to _known and in _seen have been seen; _watched are running trials of other records.
        self._known = -1
        self._fresh = True
        self._seen: set[int] = set()
        self._watched: set[int] = set()
        self._changes: tuple[int, int] | None = None

    def begin(self, trial: Trial) -> bool:
        """Write a new trial; return False if its number is taken."""
        values = {"study": self._study, "run": self._running(), **row_of(trial)}
        if self._connection.execute(_BEGIN[self._connection.dialect], values) != 1:
            # An earlier attempt may have written the row before the connection was lost.
            found = self._connection.rows(_BEGUN_BY, {"of_study": self._study, "of_number": trial.number})
            if [tuple(row) for row in found] != [
                tuple(values[name] for name in ("run", "key", "state", "started"))
            ]:
                return False
        self._see(trial.number)
        if not trial.finished:
            self._mine.add(trial.number)
        return True

    def finish(self, trial: Trial) -> None:
        """Write the end of a running trial.

        If another record has ended it, that end stands, and the next `refresh` returns it.

        Raises:
            StorageError: If the trial is still running, or has not begun.
        """
        if not trial.finished:
            raise StorageError(unfinished(trial))
        self._running()
        of = {"of_study": self._study, "of_number": trial.number}
        changed = self._connection.execute(_FINISH, {**of, **ending_of(trial)})
        self._mine.discard(trial.number)
        if changed == 1:
            self._watched.discard(trial.number)
            return
        if not self._connection.rows(_EXISTS, of):
            raise StorageError(unbegun(trial, self.header.name))
        self._watched.add(trial.number)
        self._changes = None

    def restart(self, trial: Trial, *, was: State) -> bool:
        """Write that a trial runs again; return False if its state is not `was`."""
        of = {"of_study": self._study, "of_number": trial.number, "was": was, "run": self._running()}
        values = restart_of(trial)
        if self._connection.execute(_RESTART, {**of, **values}) != 1:
            # An earlier attempt may have written the row before the connection was lost.
            found = self._connection.rows(_BEGUN_BY, {"of_study": self._study, "of_number": trial.number})
            if [(row.run, row.state, row.started) for row in found] != [
                (of["run"], trial.state, trial.started)
            ]:
                return False
        self._watched.discard(trial.number)
        self._mine.add(trial.number)
        return True

    def refresh(self, *, everything: bool = False) -> list[Trial]:
        """Return what other records have begun or ended since the last call, or all trials."""
        changes = self._connection.changes()
        if everything:
            self._known, self._fresh = -1, True
            self._seen.clear()
            self._watched.clear()
        elif changes is not None and changes == self._changes:
            return []
        rows = self._connection.rows(_NEWER, {"of_study": self._study, "known": self._known})
        new = self._trials(row for row in rows if row[0] not in self._seen)
        ended = list[Trial]()
        if self._watched:
            ended = self._trials(
                self._connection.rows(_ENDED, {"of_study": self._study, "numbers": sorted(self._watched)})
            )
        if self._fresh and new:  # numbers that are missing now were deleted
            self._known, self._fresh = new[-1].number, False
            self._seen = {number for number in self._seen if number > self._known}
        for trial in new:
            self._see(trial.number)
            if not trial.finished and trial.number not in self._mine:
                self._watched.add(trial.number)
        self._watched.difference_update(trial.number for trial in ended)
        self._changes = changes
        return sorted(ended + new, key=_number) if ended else new

    def claim(self) -> list[Trial]:
        """Take over the running trials whose run has ended or whose process is gone."""
        run, now, live = self._running(), self._connection.now(), beating(self.uid)
        runners = self._connection.rows(_RUNNERS, {"of_study": self._study})
        if gone := [row.run for row in runners if row.run != run and self._gone(row, now, live)]:
            self._connection.execute(_CLAIM, {"of_study": self._study, "gone": gone, "claimer": run})
        rows = self._connection.rows(_CLAIMED, {"of_study": self._study, "claimer": run})
        claimed = self._trials(row for row in rows if row[0] not in self._mine)
        for trial in claimed:
            self._see(trial.number)
            self._mine.add(trial.number)
            self._watched.discard(trial.number)
        return claimed

    def close(self, stop_reason: str | None) -> None:
        """End this run of the study and close the storage; store the reason if the study has stopped."""
        try:
            if stop_reason is not None and self._writable:
                self._running()
            if self._run is not None:
                if stop_reason is not None:
                    self._connection.execute(
                        sa.update(studies).where(studies.c.id == self._study).values(stop_reason=stop_reason)
                    )
                self._connection.execute(
                    sa.update(runs).where(runs.c.id == self._run).values(ended=self._connection.now())
                )
        except StorageError:
            if stop_reason is not None:  # without a reason, another error ends the run, which says more
                raise
        finally:
            if self._quiet is not None:
                self._quiet()  # for this process the run has ended, even if the storage could not be written
            if self._held is not None:
                self._held.close()
            self._watched |= self._mine  # another record may end them from now on
            self._mine.clear()
            self._held = self._run = self._quiet = self._changes = None

    @property
    def _connection(self) -> Connection:
        if self._held is None:
            held = Connection(self._address, "write" if self._writable else "read")
            if [
                row.uid for row in held.rows(sa.select(studies.c.uid).where(studies.c.id == self._study))
            ] != [self.uid]:
                held.close()
                msg = (
                    f"Study '{self.header.name}' is no longer in {self._address}: the storage was replaced. "
                    "Create the Study again to start a new one."
                )
                raise StorageError(msg)
            self._held = held
        return self._held

    def _running(self) -> int:
        """Return this run's id; the first write creates it, so that reading a study creates no run."""
        if self._run is not None:
            return self._run
        if not self._writable:
            msg = (
                f"Study '{self.header.name}' in {self._address} was opened for reading. To write to it, "
                "use Database(...).open(header)."
            )
            raise StorageError(msg)
        me, connection = Process.current(), self._connection
        values = {
            "study": self._study,
            "host": me.host,
            "pid": me.pid,
            "process_started": me.started,
            "heartbeat": connection.now(),
        }
        run = connection.insert(runs, values)
        connection.execute(sa.update(studies).where(studies.c.id == self._study).values(stop_reason=None))
        heartbeat = Heartbeat(self._address, self.uid, run)
        self._quiet = weakref.finalize(self, heartbeat.stopped.set)
        heartbeat.start()
        self._run = run
        return run

    def _gone(self, row: sa.Row[Any], now: float, live: set[int]) -> bool:
        """Return whether a run has ended: by its row, or because its process or heartbeat is gone."""
        if row.pid is None or row.ended is not None:
            return True
        try:
            process = Process(row.host, row.pid, row.process_started)
            return process.gone(now - row.heartbeat) or (process.is_current and row.run not in live)
        except UNREADABLE as error:
            msg = (
                f"Run {row.run} of {self._where} can't be read ({type(error).__name__}: {error}). "
                "Another program changed its row in the table runs. "
                "Restore it, or delete the row: its running trials are then evaluated again."
            )
            raise StorageError(msg) from error

    @property
    def _where(self) -> str:
        return f"study '{self.header.name}' in {self._address}"

    def _trials(self, rows: Iterable[sa.Row[Any]]) -> list[Trial]:
        where = self._where
        return [trial_of(row, where) for row in rows]

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
