"""One held connection to a storage; each statement is a transaction of its own unless a block makes several one."""

import sqlite3
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from retia.errors import StorageError
from retia.storage.address import Address, Mode
from retia.storage.schema import belongs, create_tables

__all__ = ["Connection"]

_CREATION_LOCK = 7_238_946  # any number that every retia takes for this purpose
_RETRY_S = 0.02


class Connection:
    """A connection to the storage at `address`, whose tables are there once it is made.

    SQLite runs in WAL mode with `synchronous=NORMAL`: what is committed survives the death of any process at any moment. A
    power cut may cost the transactions of the last seconds, never the consistency. Where a file system has no WAL, every
    commit is flushed instead, which is slower and as safe.

    Args:
        address: Where.
        mode: "create" makes the storage if it is missing; "write" and "read" need one, and "read" only looks.

    Raises:
        StorageError: If it can't be opened, is no storage of retia, or is missing where `mode` needs it.
    """

    def __init__(self, address: Address, mode: Mode) -> None:
        address.check(mode)
        self.address = address
        self.sqlite = address.path is not None
        engine = _sqlite_engine(address, mode) if self.sqlite else _postgresql_engine(address)
        self.dialect = engine.dialect.name
        with self._explained():
            self._connection = engine.connect()
            try:
                self._prepare(mode)
            except BaseException:
                self._connection.close()
                raise

    def execute(self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None) -> sa.CursorResult[Any]:
        """Run a statement.

        Raises:
            StorageError: If the database refuses.
        """
        try:
            return self._connection.execute(statement, parameters)
        except DBAPIError as error:
            raise self._explain(error) from error

    def changes(self) -> int | None:
        """Return a number that is another whenever another connection has changed the file; None where there is no such number."""
        return self._connection.exec_driver_sql("PRAGMA data_version").scalar() if self.sqlite else None

    def now(self) -> float:
        """Return the seconds since 1970 by a clock that all processes share: the host's, or the database server's."""
        if self.sqlite:
            return time.time()
        return float(self.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Make the block's statements one: all of them take effect, or none."""
        with self._explained():
            self._connection.exec_driver_sql("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
            try:
                yield
                self._connection.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(DBAPIError):  # a transaction that the database has ended itself can't be ended again
                    self._connection.exec_driver_sql("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def _prepare(self, mode: Mode) -> None:
        if belongs(self._connection, self.address):
            if self.sqlite:
                wal = self._connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
                self._connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if wal else 'FULL'}")
            return
        if mode != "create":
            msg = f"The storage {self.address} holds no study yet. Check where it is; a study with storage='{self.address}' fills it."
            raise StorageError(msg)
        if self.sqlite:
            self._write_ahead()
        with self.transaction():
            if not self.sqlite:
                self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})")
            if not belongs(self._connection, self.address):  # another process may have been quicker
                create_tables(self._connection)

    def _write_ahead(self) -> None:
        # SQLite does not wait for a lock here when two processes make the same new file at once.
        deadline = time.monotonic() + self.address.timeout_s
        while True:
            try:
                mode = self._connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar()
                self._connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
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

    def _explain(self, error: DBAPIError) -> StorageError:
        reason = " ".join(str(error.orig).split())
        if "is locked" in reason:
            msg = (
                f"The storage {self.address} stayed locked by another process for {self.address.timeout_s:g} s. "
                f"Look who holds it (a database browser with an open transaction?), then run again: the study resumes."
            )
        elif "not a database" in reason:
            msg = f"The file {self.address} is not an SQLite database. Choose another file for the study; this one is left as it is."
        elif self.sqlite:
            msg = f"The storage {self.address} can't be used ({reason}). Check the file, its directory and the disk."
        else:
            msg = f"The database {self.address} can't be used ({reason}). Check that the server runs, and the URL's user, host and database."
        return StorageError(msg)


def _sqlite_engine(address: Address, mode: Mode) -> sa.Engine:
    assert address.path is not None
    uri = f"{address.path.as_uri()}?mode={'rwc' if mode == 'create' else 'rw'}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=address.timeout_s, isolation_level=None, check_same_thread=False)
        if mode == "read":
            connection.execute("PRAGMA query_only=ON")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _postgresql_engine(address: Address) -> sa.Engine:
    try:
        return sa.create_engine(address.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 10})
    except ImportError:
        msg = f"The storage {address} needs the PostgreSQL driver psycopg, which is missing. Install it: pip install 'retia[postgresql]'"
        raise StorageError(msg) from None
