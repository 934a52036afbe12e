"""One held connection to a storage, on which each statement is its own transaction."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from retia.errors import StorageError
from retia.storage.address import Address, Mode
from retia.storage.schema import belongs, create_tables

__all__ = ["Connection"]

_CREATION_LOCK = 7_238_946  # an arbitrary number, the same in every version
_RETRY_S = 0.02
_RECONNECT_S = 0.5
_SERVER_TIME = sa.select(sa.extract("epoch", sa.func.clock_timestamp()))

T = TypeVar("T")


class Connection:
    """A connection to the storage at `address`, whose tables exist once it is made.

    SQLite runs in WAL mode with `synchronous=NORMAL`: committed transactions survive the death of any
    process. A power failure may lose the transactions of the last seconds, but not the consistency. On a file
    system without WAL, every commit is flushed, which is slower and as safe.

    A connection that an interrupt or the server broke is closed, and the next statement opens a new one. A
    statement that met a lost server is sent again until the server answers or `timeout_s` has passed. The
    server may have executed it the first time, so every statement must have the same result when it is
    executed twice.

    Args:
        address: Place of the storage.
        mode: "create" creates a missing storage; "write" and "read" require an existing one, and "read" does
            not change it.

    Raises:
        StorageError: If it can't be opened, is not a storage of retia, or is missing and `mode` is not
            "create".
    """

    def __init__(self, address: Address, mode: Mode) -> None:
        address.require(mode)
        self.address = address
        self.sqlite = address.path is not None
        engine = _sqlite_engine(address, mode) if self.sqlite else _postgresql_engine(address)
        self.dialect = engine.dialect.name
        self._read_only = mode == "read" and not address.writable
        self._engine = engine
        self._open: sa.Connection | None = None
        self._opened = 0
        self._waited = False
        with self._explained():
            try:
                self._prepare(mode)
            except BaseException:
                self.close()
                raise
        if mode == "create" and self.sqlite:
            self._engine = _sqlite_engine(address, "write")  # a file that is removed later is not recreated

    def execute(self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None) -> int:
        """Execute a statement that returns no rows, and return the number of rows it changed.

        Raises:
            StorageError: If the database rejects it, or the server does not answer for `timeout_s`.
        """
        return self._sent(lambda connection: connection.execute(statement, parameters).rowcount)

    def insert(self, table: sa.Table, values: Mapping[str, Any]) -> int:
        """Insert a row and return its primary key.

        Raises:
            StorageError: As `execute`.
        """
        # without RETURNING, for which SQLite keeps the file locked until the row is fetched, and an interrupt
        # may come before that
        key = self._sent(lambda connection: connection.execute(sa.insert(table), values).inserted_primary_key)
        assert key is not None
        return key[0]

    def rows(
        self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[sa.Row[Any]]:
        """Execute a statement and return its rows.

        Raises:
            StorageError: As `execute`; or if a row can't be read.
        """
        return self._sent(lambda connection: connection.execute(statement, parameters).all())

    def changes(self) -> tuple[int, int] | None:
        """Return numbers that change whenever another connection writes to the file; None for PostgreSQL."""
        if not self.sqlite:
            return None
        version = self._sent(
            lambda connection: connection.exec_driver_sql("PRAGMA data_version").scalar_one()
        )
        return self._opened, version  # SQLite's number is valid for one connection only

    def now(self) -> float:
        """Return the seconds since 1970 by a shared clock: the host's for SQLite, or the server's."""
        if self.sqlite:
            return time.time()
        return float(self.rows(_SERVER_TIME)[0][0])

    def close(self) -> None:
        """Close the connection; the next statement opens a new one."""
        held, self._open = self._open, None
        if held is not None:
            with suppress(SQLAlchemyError):  # a broken connection may fail to close
                held.close()

    @property
    def _connection(self) -> sa.Connection:
        if self._open is None:
            self._open = self._engine.connect()
            self._opened += 1
            if self.sqlite:
                self._synchronize()
        return self._open

    def _sent(self, send: Callable[[sa.Connection], T]) -> T:
        deadline: float | None = None
        while True:
            try:
                result = send(self._connection)
            except DBAPIError as error:
                lost = not self.sqlite and (error.connection_invalidated or self._open is None)
                if not lost:
                    raise self._explain(error) from error
                self.close()
                if deadline is None:
                    deadline = time.monotonic() + (0.0 if self._waited else self.address.timeout_s)
                if time.monotonic() >= deadline:
                    self._waited = True  # the last writes of the study do not wait again
                    raise self._explain(error, lost=True) from error
                time.sleep(_RECONNECT_S)
            except BaseException:  # after an interrupt, the state of the connection is unknown
                self.close()
                raise
            else:
                self._waited = False
                return result

    def _prepare(self, mode: Mode) -> None:
        if belongs(self._connection, self.address):
            return
        if mode != "create":
            msg = (
                f"The storage {self.address} contains no study yet. Check the path; "
                f"a study with storage='{self.address}' creates its tables."
            )
            raise StorageError(msg)
        if self.sqlite:
            self._write_ahead()
        # a failure is rolled back when the connection closes
        self._connection.exec_driver_sql("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
        if not self.sqlite:
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})")
        if not belongs(self._connection, self.address):  # another process may have been faster
            create_tables(self._connection)
        self._connection.exec_driver_sql("COMMIT")

    def _synchronize(self) -> None:
        wal = self._connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        self._connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if wal else 'FULL'}")

    def _write_ahead(self) -> None:
        # SQLite does not wait for a lock here if two processes create the same file at once.
        deadline = time.monotonic() + self.address.timeout_s
        while True:
            try:
                self._connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                self._synchronize()
            except OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)
            else:
                return

    @contextmanager
    def _explained(self) -> Generator[None, None, None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explain(error) from error

    def _explain(self, error: DBAPIError, *, lost: bool = False) -> StorageError:
        reason = " ".join(str(error.orig).split())
        if lost:
            msg = (
                f"The server of {self.address} was lost, and did not answer within "
                f"{self.address.timeout_s:g} s ({reason}). What was recorded is kept. "
                "Start the server, then run the same study again: it resumes, "
                "and the trials that were running are evaluated again."
            )
        elif "is locked" in reason:
            msg = (
                f"The storage {self.address} stayed locked by another process for "
                f"{self.address.timeout_s:g} s. "
                "Close the program that holds the lock (a database browser with an open transaction?), "
                "then run again: the study resumes."
            )
        elif self._read_only and "unable to open" in reason:
            path = self.address.path
            msg = (
                f"The storage {path} can't be read: the last writes are in {path}-wal, "
                "and its directory can't be written. "
                "Copy both files to a writable directory, and open the copy."
            )
        elif "not a database" in reason:
            msg = (
                f"The file {self.address} is not an SQLite database. Choose another file for the study. "
                "This file was not changed."
            )
        elif self.sqlite:
            msg = (
                f"The storage {self.address} can't be used ({reason}). Check the file, "
                "its directory and the disk."
            )
        else:
            msg = (
                f"The database {self.address} can't be used ({reason}). Check that the server runs, "
                "and the URL's user, host and database."
            )
        return StorageError(msg)


def _sqlite_engine(address: Address, mode: Mode) -> sa.Engine:
    assert address.path is not None
    uri = f"{address.path.as_uri()}?{_access(address.path, mode)}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=address.timeout_s, isolation_level=None, check_same_thread=False
        )
        if mode == "read":
            connection.execute("PRAGMA query_only=ON")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _access(path: Path, mode: Mode) -> str:
    if mode == "create":
        return "mode=rwc"
    if mode == "read" and not os.access(path.parent, os.W_OK):
        # To read a file in WAL mode, SQLite creates files beside it. If there is no log, no process is
        # writing, and the file alone is complete.
        return "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return "mode=rw"


def _postgresql_engine(address: Address) -> sa.Engine:
    try:
        return sa.create_engine(
            address.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": 10},
        )
    except ImportError:
        msg = (
            f"The storage {address} needs the PostgreSQL driver psycopg, which is not installed. "
            "Install it: pip install 'retia[postgresql]'"
        )
        raise StorageError(msg) from None
