"""Where a study's files go: weights, logs, whatever its evaluators keep."""

import atexit
import shutil
import tempfile
import uuid
from pathlib import Path

__all__ = ["directory_of", "temporary_directory"]


def directory_of(storage: str, name: str) -> Path:
    """Return the folder beside an SQLite file, or below the working directory for a database elsewhere; nothing is made."""
    if "://" in storage and not storage.startswith("sqlite"):
        return Path("retia-files").absolute() / name
    path = Path(storage.removeprefix("sqlite:///")).absolute()
    return path.with_suffix(".files") / name


def temporary_directory() -> Path:
    """Return a folder that does not exist yet, and is removed when the process ends: a trial may outlive its study."""
    path = Path(tempfile.gettempdir()) / f"retia-{uuid.uuid4().hex}"
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
