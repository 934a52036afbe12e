"""Locations of the tables on disk."""

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
"""The environment variable with the folder that contains the tables."""


@dataclass(frozen=True)
class Download:
    """The source of a table.

    Args:
        what: Name of the table.
        names: File names in the folder of benchmarks, the preferred name first.
        source: Address of the download, and how to prepare the file.
        checksum: Checksum that the authors publish.
        unpacked: Whether the table may be a folder.
    """

    what: str
    names: tuple[str, ...]
    source: str
    checksum: str = "not published"
    unpacked: bool = False


def locate(download: Download, path: str | os.PathLike[str] | None) -> Path:
    """Return the path of a table: `path`, or one of its names in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If the table is missing, or is a folder instead of a file.
    """
    if path is not None:
        if Path(path).is_dir() and not download.unpacked:
            inside = _first(Path(path), download.names)
            msg = (
                f"{os.fspath(path)} is a folder, and the table is a file; "
                f"pass path={str(inside or Path(path) / download.names[0])!r}"
            )
            raise EvaluationError(_missing(download, msg))
        if Path(path).exists():
            return Path(path)
        raise EvaluationError(_missing(download, f"{os.fspath(path)} does not exist"))
    folder = os.environ.get(FOLDER)
    if not folder:
        raise EvaluationError(
            _missing(download, f"neither path= nor the environment variable {FOLDER} is set")
        )
    found = _first(Path(folder), download.names)
    if found is None:
        raise EvaluationError(_missing(download, f"{folder} does not contain {' or '.join(download.names)}"))
    return found


def read_json(path: Path) -> Any:
    """Read a JSON file, which is compressed with gzip if its name ends in .gz.

    Raises:
        EvaluationError: If the file is not valid JSON.
    """
    try:
        content = path.read_bytes()
        return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (ValueError, OSError, EOFError, RecursionError, zlib.error) as error:
        msg = f"{path} must be a table in JSON, and can't be read: {error}. Download it again."
        raise EvaluationError(msg) from error


@contextmanager
def reading(path: str | os.PathLike[str]) -> Generator[None]:
    """Convert the exceptions that a damaged table causes in its reader.

    Raises:
        EvaluationError: If the body raises an exception that is not a `RetiaError`.
    """
    try:
        yield
    except RetiaError:
        raise
    except Exception as error:  # a file in another format may cause any exception
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
        f"  Put it at: ${FOLDER}/{download.names[0]}, or pass its path as path=..."
    )
