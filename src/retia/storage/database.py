"""A storage of studies: one SQLite file, or one PostgreSQL database."""

import json
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retia.errors import StorageError
from retia.storage.address import Address
from retia.storage.header import UNREADABLE, Header
from retia.storage.record import StudyRecord
from retia.trial import Objective

if TYPE_CHECKING:
    import sqlalchemy as sa

    from retia.storage.connection import Connection

__all__ = ["Database", "StudySummary"]


@dataclass(frozen=True)
class StudySummary:
    """A study at a glance.

    Args:
        name: Name of the study.
        created: Time of the first opening, in seconds since 1970.
        trials: Number of trials in each state; states without trials are left out.
        stop_reason: Reason why the study stopped; None while it runs, and if its process died.
        objectives: Objectives of the study.
    """

    name: str
    created: float
    trials: Mapping[str, int]
    stop_reason: str | None
    objectives: tuple[Objective, ...]


class Database:
    """The studies of one storage.

    Several processes may open a storage, and one study, at once. Nothing is connected, and SQLAlchemy is not
    imported, before a method needs it.

    >>> str(Database("postgresql://me:secret@host/studies"))
    'postgresql+psycopg://me:***@host/studies'

    Args:
        storage: Path of a file, `"sqlite:///study.db"`, or `"postgresql://user:password@host/database"`.
        timeout_s: Seconds to wait for another process's lock on an SQLite file, or for a PostgreSQL server
            that was lost. Default 60.

    Raises:
        StorageError: If `storage` is not a valid path or URL.
    """

    def __init__(self, storage: str | Path, *, timeout_s: float = 60.0) -> None:
        self._address = Address.parse(storage, timeout_s)

    def open(self, header: Header) -> StudyRecord:
        """Open the study with the header's name, and create it if it does not exist.

        An existing study keeps its own header. To compare: `record.header.differences(header)`.

        Raises:
            StorageError: If the storage can't be read and written.
        """
        import sqlalchemy as sa

        from retia.storage.connection import Connection
        from retia.storage.database_record import insert_new
        from retia.storage.schema import studies

        connection = Connection(self._address, "create")
        try:
            find = sa.select(studies.c.id).where(studies.c.name == header.name)
            if not connection.rows(find):
                row = {
                    "name": header.name,
                    "uid": uuid.uuid4().hex,
                    "header": json.dumps(header.to_json()),
                    "created": time.time(),
                }
                connection.execute(insert_new(studies, connection.dialect), row)
            return self._record(connection, header.name, writable=True)
        except BaseException:
            connection.close()
            raise

    def load(self, name: str) -> StudyRecord:
        """Open a study to read it; writing to the record raises an error.

        Raises:
            StorageError: If there is no study of that name, or the storage can't be read.
        """
        from retia.storage.connection import Connection

        connection = Connection(self._address, "read")
        try:
            return self._record(connection, name, writable=False)
        except BaseException:
            connection.close()
            raise

    def amend(self, header: Header) -> None:
        """Replace the header of the study with the header's name; its trials are kept.

        Raises:
            StorageError: If there is no study of that name, or the storage can't be written.
        """
        import sqlalchemy as sa

        from retia.storage.connection import Connection
        from retia.storage.schema import studies

        connection = Connection(self._address, "write")
        try:
            change = (
                sa.update(studies)
                .where(studies.c.name == header.name)
                .values(header=json.dumps(header.to_json()))
            )
            if connection.execute(change) == 0:
                raise StorageError(self._unknown(header.name, connection))
        finally:
            connection.close()

    def names(self) -> list[str]:
        """Return the names of the studies, the oldest first.

        Raises:
            StorageError: If the storage is missing or can't be read.
        """
        with self._reading() as connection:
            return _names(connection)

    def studies(self) -> list[StudySummary]:
        """Return a summary of every study, the oldest first.

        Raises:
            StorageError: If the storage is missing or can't be read.
        """
        import sqlalchemy as sa

        from retia.storage.schema import studies, trials

        groups = (trials.c.study, trials.c.state)
        counts = sa.select(*groups, sa.func.count().label("trials")).group_by(*groups).subquery()
        query = (
            sa.select(studies, counts.c.state, counts.c.trials)
            .select_from(studies.outerjoin(counts, counts.c.study == studies.c.id))
            .order_by(studies.c.id, counts.c.state)
        )
        with self._reading() as connection:
            rows = connection.rows(query)
        return [self._summary(list(of_study)) for _, of_study in groupby(rows, key=lambda row: row.id)]

    @property
    def files(self) -> Path:
        """The folder of the studies' files: beside an SQLite file, or in the current directory."""
        return self._address.files

    def require_writable(self) -> None:
        """Raise if a study can't be written.

        Raises:
            StorageError: If the directory does not exist, or a file can't be written.
        """
        self._address.require("create")

    @property
    def writable(self) -> bool:
        """Whether a study can be written: False for an existing file without write permission."""
        return self._address.writable

    def __str__(self) -> str:
        return str(self._address)

    def __repr__(self) -> str:
        return f"Database({str(self)!r})"

    def _record(self, connection: "Connection", name: str, *, writable: bool) -> StudyRecord:
        import sqlalchemy as sa

        from retia.storage.database_record import DatabaseRecord
        from retia.storage.schema import studies

        rows = connection.rows(
            sa.select(studies.c.id, studies.c.uid, studies.c.header).where(studies.c.name == name)
        )
        if not rows:
            raise StorageError(self._unknown(name, connection))
        header = self._header(name, rows[0].header)
        return DatabaseRecord(
            self._address,
            study=rows[0].id,
            uid=rows[0].uid,
            header=header,
            connection=connection,
            writable=writable,
        )

    def _header(self, name: str, text: str) -> Header:
        try:
            return replace(Header.from_json(json.loads(text)), name=name)
        except UNREADABLE as error:
            msg = (
                f"The header of study '{name}' in {self} can't be read: {error} Another program changed it. "
                "Restore the storage from a copy, or give the study another name= to start a new one."
            )
            raise StorageError(msg) from error

    def _summary(self, rows: "Sequence[sa.Row[Any]]") -> StudySummary:
        study = rows[0]
        counts = {row.state: row.trials for row in rows if row.state is not None}
        return StudySummary(
            study.name,
            study.created,
            counts,
            study.stop_reason,
            self._header(study.name, study.header).objectives,
        )

    def _unknown(self, name: str, connection: "Connection") -> str:
        return f"There is no study '{name}' in {self}. Name one of {_names(connection)}."

    @contextmanager
    def _reading(self) -> Generator["Connection", None, None]:
        from retia.storage.connection import Connection

        connection = Connection(self._address, "read")
        try:
            yield connection
        finally:
            connection.close()


def _names(connection: "Connection") -> list[str]:
    import sqlalchemy as sa

    from retia.storage.schema import studies

    return [row.name for row in connection.rows(sa.select(studies.c.name).order_by(studies.c.id))]
