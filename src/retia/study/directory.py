"""The folder of the files of a study in memory."""

import atexit
import shutil
import tempfile
import uuid
from pathlib import Path

__all__ = ["temporary_directory"]


def temporary_directory() -> Path:
    """Return the path of a new folder, which is removed when the process ends.

    It is not removed with the study, because a trial may outlive its study.
    """
    path = Path(tempfile.gettempdir()) / f"retia-{uuid.uuid4().hex}"
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
