"""Where the tables are on disk."""

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retia.errors import EvaluationError

__all__ = ["FOLDER", "Download", "locate", "read_json"]

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
    """

    what: str
    names: tuple[str, ...]
    source: str
    checksum: str = "none is published"


def locate(download: Download, path: str | os.PathLike[str] | None) -> Path:
    """Return where a table is: at `path`, or under one of its names in the folder RETIA_BENCHMARKS.

    Raises:
        EvaluationError: If it is not there; the message says where to get it.
    """
    if path is not None:
        if Path(path).exists():
            return Path(path)
        raise EvaluationError(_missing(download, f"there is no {os.fspath(path)}"))
    folder = os.environ.get(FOLDER)
    if not folder:
        raise EvaluationError(_missing(download, f"neither path= nor the environment variable {FOLDER} says where"))
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
    except (ValueError, OSError, EOFError) as error:
        msg = f"A table in JSON was expected in {path}, but it can't be read: {error}. Download it again."
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
