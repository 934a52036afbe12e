"""Where the tables are on disk."""

import gzip
import json
import os
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retia.errors import EvaluationError, RetiaError

__all__ = ["FOLDER", "Download", "locate", "read_json", "reading"]

FOLDER = "RETIA_BENCHMARKS"
"""The environment variable with the folder in which tables are looked for."""


@dataclass(frozen=True)
class Download:
    """Where a table comes from.

    Args:
        what: Its name.
        names: What it is called in the folder of benchmarks, the preferred name first.
        source: Where to get it, and what to do with it then.
        checksum: What the authors publish to check it by.
        unpacked: Whether it may be a folder.
    """

    what: str
    names: tuple[str, ...]
    source: str
    checksum: str = "none is published"
    unpacked: bool = False


def locate(download: Download, path: str | os.PathLike[str] | None) -> Path:
    """Return where a table is: at `path`, or under one of its names in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If it is not there, or is a folder and should be a file; the message says where to
            get it.
    """
    if path is not None:
        if Path(path).is_dir() and not download.unpacked:
            inside = _first(Path(path), download.names)
            msg = (
                f"there {'is' if inside else 'should be'} a file in the folder {os.fspath(path)}: "
                f"give path={str(inside or Path(path) / download.names[0])!r}"
            )
            raise EvaluationError(_missing(download, msg))
        if Path(path).exists():
            return Path(path)
        raise EvaluationError(_missing(download, f"there is no {os.fspath(path)}"))
    folder = os.environ.get(FOLDER)
    if not folder:
        raise EvaluationError(
            _missing(download, f"neither path= nor the environment variable {FOLDER} says where")
        )
    found = _first(Path(folder), download.names)
    if found is None:
        raise EvaluationError(_missing(download, f"{folder} has none of {', '.join(download.names)}"))
    return found


def read_json(path: Path) -> Any:
    """Read a JSON file, compressed by gzip if its name says so.

    Raises:
        EvaluationError: If it is no JSON.
    """
    try:
        content = path.read_bytes()
        return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (ValueError, OSError, EOFError, RecursionError, zlib.error) as error:
        msg = f"A table in JSON was expected in {path}, but it can't be read: {error}. Download it again."
        raise EvaluationError(msg) from error


@contextmanager
def reading(path: str | os.PathLike[str]) -> Generator[None]:
    """Tell of whatever a damaged table, or one of another form, makes its reader raise.

    Raises:
        EvaluationError: If anything but an error of retia's own is raised inside.
    """
    try:
        yield
    except RetiaError:
        raise
    except Exception as error:  # a file of another form raises whatever it likes
        msg = (
            f"{os.fspath(path)} can't be read as this table: {type(error).__name__}: {error}. "
            "Download it again, or give the path of another file."
        )
        raise EvaluationError(msg) from error


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _missing(download: Download, why: str) -> str:
    return (
        f"The table of {download.what} was not found: {why}.\n"
        f"  Download: {download.source}\n"
        f"  Checksum: {download.checksum}\n"
        f"  Put it at: ${FOLDER}/{download.names[0]}, or say where it is with path=..."
    )
