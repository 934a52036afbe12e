"""The place of a storage: a path or a URL, parsed before any database is opened."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlsplit

from retia.errors import StorageError

__all__ = ["Address", "Mode"]

Mode: TypeAlias = Literal["create", "write", "read"]

_POSTGRESQL = ("postgresql", "postgresql+psycopg", "postgres")


@dataclass(frozen=True)
class Address:
    """The place of a database.

    Args:
        path: Absolute path of the SQLite file; None for PostgreSQL.
        url: URL of the PostgreSQL database; empty for SQLite.
        timeout_s: Seconds to wait for another process's lock, or for a server that restarts.
    """

    path: Path | None
    url: str
    timeout_s: float

    @classmethod
    def parse(cls, storage: str | Path, timeout_s: float) -> "Address":
        """Parse `"study.db"`, a path, `"sqlite:///study.db"` or `"postgresql://user:password@host/database"`.

        Raises:
            StorageError: If `storage` is another kind of URL, or an SQLite database in memory.
        """
        if isinstance(storage, str) and "://" in storage:
            scheme, rest = storage.split("://", 1)
            if scheme in _POSTGRESQL:
                return cls(None, f"postgresql+psycopg://{rest}", timeout_s)
            if scheme != "sqlite":
                msg = (
                    "A storage is a file or a URL that starts with 'sqlite:///' or 'postgresql://', "
                    f"got {_without_password(storage)!r}. "
                    "For SQLite, give the path of the file: storage='study.db'."
                )
                raise StorageError(msg)
            if rest and not rest.startswith("/"):
                msg = (
                    f"An SQLite URL has three slashes before a path, got {storage!r}. "
                    f"Write 'sqlite:///{rest}', or the path alone."
                )
                raise StorageError(msg)
            storage = rest[1:]
        if str(storage) in ("", ":memory:"):
            msg = (
                f"A storage must be a file or a PostgreSQL URL, got {str(storage)!r}. "
                "For a study in memory, leave out storage."
            )
            raise StorageError(msg)
        return cls(Path(storage).expanduser().absolute(), "", timeout_s)

    @property
    def files(self) -> Path:
        """The folder of the studies' files: beside an SQLite file; for PostgreSQL, in the working directory.

        >>> Address.parse("/data/exp-0.1.db", 1.0).files.as_posix()
        '/data/exp-0.1.db.files'
        >>> Address.parse("postgresql://me:secret@host/studies", 1.0).files.name
        'host+5432+studies'
        """
        if self.path is not None:
            return self.path.with_name(f"{self.path.name}.files")
        url = urlsplit(_without_password(self.url))
        user, _, server = url.netloc.rpartition("@")
        options = {name: values[-1] for name, values in parse_qs(url.query).items()}
        host, port = re.fullmatch(r"(.*?)(?::(\d*))?", server).groups()  # pyright: ignore[reportOptionalMemberAccess]  # it matches any text
        database = unquote(url.path[1:]) or options.get("dbname") or unquote(user.partition(":")[0])
        parts = (
            unquote(host) or options.get("host", "localhost"),
            port or options.get("port", "5432"),
            database,
        )
        return Path("retia-files").absolute() / "+".join(quote(part, safe="") for part in parts)

    def require(self, mode: Mode) -> None:
        """Raise if the file can't be used in this mode.

        Raises:
            StorageError: If its directory does not exist, the path is a directory, the file is missing and
                `mode` is not "create", or the file can't be written and `mode` is not "read".
        """
        if self.path is None:
            return
        parent = self.path.parent
        if not parent.is_dir():
            msg = (
                f"The storage {self} must be in an existing directory, but {parent} is not a directory. "
                "Create it, or choose another path."
            )
            raise StorageError(msg)
        if self.path.is_dir():
            msg = (
                f"A storage is a file, but {self} is a directory. Name a file in it: {self.path / 'study.db'}"
            )
            raise StorageError(msg)
        if mode != "create" and not self.path.exists():
            msg = f"There is no storage {self}. Check the path; a study with storage='{self}' creates it."
            raise StorageError(msg)
        if mode != "read" and (place := self._protected()) is not None:
            msg = (
                f"The storage {self} can't be written: there is no permission to write {place}. "
                "Change the permissions, or choose another path."
            )
            raise StorageError(msg)

    @property
    def writable(self) -> bool:
        """Whether the storage can be written: False for an existing file without write permission."""
        return self.path is None or not self.path.exists() or self._protected() is None

    def _protected(self) -> Path | None:
        """Return the read-only path: the file, or its directory, where SQLite puts its log."""
        places = () if self.path is None else (self.path.parent, self.path)
        return next((place for place in places if place.exists() and not os.access(place, os.W_OK)), None)

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else _without_password(self.url)


def _without_password(url: str) -> str:
    return re.sub(r"([?&]password=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url))
