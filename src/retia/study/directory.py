"""Where the files of a study in memory go: weights, logs, whatever its evaluators keep."""

import atexit
import shutil
import tempfile
import uuid
from pathlib import Path

__all__ = ["temporary_directory"]


def temporary_directory() -> Path:
    """Return a folder that does not exist yet, and is removed when the process ends: a trial may outlive its
    study.
    """
    path = Path(tempfile.gettempdir()) / f"retia-{uuid.uuid4().hex}"
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
