"""The tables of a storage."""

from sqlalchemy import (
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    inspect,
    select,
)

from retia.errors import StorageError
from retia.storage.address import Address

__all__ = ["VERSION", "belongs", "create_tables", "runs", "schema", "studies", "trials"]

VERSION = 2

_metadata = MetaData()

schema = Table("retia_schema", _metadata, Column("version", Integer, nullable=False))

studies = Table(
    "studies",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("uid", Text, nullable=False),
    Column("header", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("stop_reason", Text),
)

runs = Table(
    "runs",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("study", ForeignKey("studies.id"), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", Double, nullable=False),
    Column("heartbeat", Double, nullable=False),
    Column("ended", Double),
)

trials = Table(
    "trials",
    _metadata,
    Column("study", ForeignKey("studies.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fidelity", Double),
    Column("parent", Integer),
    Column("limits", Text),
    Column("metrics", Text, nullable=False),
    Column("error", Text),
    Column("progress", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("attempts", Text, nullable=False),
    PrimaryKeyConstraint("study", "number"),
)

# Finds the running trials with their runs, and counts the trials in each state, without reading the trials.
Index("trials_by_state", trials.c.study, trials.c.state, trials.c.run)


def belongs(connection: Connection, address: Address) -> bool:
    """Return whether the database is a storage of this version of retia; False if it has no tables yet.

    Raises:
        StorageError: If it belongs to another program, or to another version of retia.
    """
    names = set(inspect(connection).get_table_names())
    if schema.name in names:
        version = connection.execute(select(schema.c.version)).scalar()
        if version != VERSION:
            msg = (
                f"The storage {address} has schema version {version}, and this retia reads version "
                f"{VERSION}. "
                f"Upgrade retia (pip install -U retia), or use another storage."
            )
            raise StorageError(msg)
        return True
    # A PostgreSQL database may contain other tables; an SQLite file belongs to one program.
    strangers = names if address.path is not None else names & set(_metadata.tables)
    if strangers:
        msg = (
            f"The database {address} belongs to another program: it has the tables "
            f"{', '.join(sorted(strangers)[:5])} but no {schema.name}. "
            "Choose another file or database for the study."
        )
        raise StorageError(msg)
    return False


def create_tables(connection: Connection) -> None:
    """Create the tables, within a transaction, so that all of them exist or no table does."""
    _metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(schema).values(version=VERSION))
