"""Where a storage is: a path or a URL, told apart before any database is touched."""

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
        path: The file, for SQLite.
        url: The URL, for PostgreSQL.
        timeout_s: How long to wait for another process's lock, or for a server that restarts.
    """

    path: Path | None
    url: str
    timeout_s: float

    @classmethod
    def parse(cls, storage: str | Path, timeout_s: float) -> "Address":
        """Read `"study.db"`, a path, `"sqlite:///study.db"` or `"postgresql://user:password@host/database"`.

        Raises:
            StorageError: If it is neither, or names an SQLite database in memory.
        """
        if isinstance(storage, str) and "://" in storage:
            scheme, rest = storage.split("://", 1)
            if scheme in _POSTGRESQL:
                return cls(None, f"postgresql+psycopg://{rest}", timeout_s)
            if scheme != "sqlite":
                msg = (
                    "A storage is a file or a URL that starts with 'sqlite:///' or 'postgresql://', "
                    f"got {_without_password(storage)!r}. "
                    f"For SQLite the file's path alone will do: storage='study.db'."
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
                "For a study in memory leave storage out."
            )
            raise StorageError(msg)
        return cls(Path(storage).expanduser().absolute(), "", timeout_s)

    @property
    def files(self) -> Path:
        """The folder of the studies' files: beside an SQLite file, or for a PostgreSQL database below the
        working directory.

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

    def check(self, mode: Mode) -> None:
        """Look whether a file's place can be used at all.

        Raises:
            StorageError: If its directory is missing, it is no file, or it is missing or may not be written
                where `mode` needs it.
        """
        if self.path is None:
            return
        parent = self.path.parent
        if not parent.is_dir():
            msg = (
                f"The storage {self} must lie in a directory that exists, and {parent} is not a directory. "
                "Make it, or choose another place."
            )
            raise StorageError(msg)
        if self.path.is_dir():
            msg = (
                f"A storage is a file, and {self} is a directory. Name a file in it: {self.path / 'study.db'}"
            )
            raise StorageError(msg)
        if mode != "create" and not self.path.exists():
            msg = f"There is no storage {self}. Check the path; a study with storage='{self}' makes it."
            raise StorageError(msg)
        if mode != "read" and (place := self._protected()) is not None:
            msg = (
                f"The storage {self} can't be written: no right to write {place}. Change the rights, "
                "or choose another place."
            )
            raise StorageError(msg)

    @property
    def writable(self) -> bool:
        """Whether the storage can be written: False for a file that exists and may only be read."""
        return self.path is None or not self.path.exists() or self._protected() is None

    def _protected(self) -> Path | None:
        """Return the place that may not be written: the file, or its directory, for SQLite puts its log
        beside the file.
        """
        places = () if self.path is None else (self.path.parent, self.path)
        return next((place for place in places if place.exists() and not os.access(place, os.W_OK)), None)

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else _without_password(self.url)


def _without_password(url: str) -> str:
    return re.sub(r"([?&]password=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url))
