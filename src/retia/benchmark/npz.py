"""Opening npz files that may be damaged, or something else."""

import os
import struct
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from retia.errors import EvaluationError, RetiaError

__all__ = ["open_npz"]

_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What numpy raises on a file that is cut, empty, overwritten in the middle, of another kind, or full of
pickles.
"""


@contextmanager
def open_npz(path: str | os.PathLike[str], remedy: str) -> Generator[Any]:
    """Open an npz file, whose arrays are read when they are asked for; nothing is unpickled.

    Args:
        path: The file.
        remedy: What to do if it is damaged, or lacks an array that is asked for.

    Raises:
        EvaluationError: If the file is no npz file, is damaged, or has no such array.
    """
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:  # numpy leaves a damaged file open that it has opened itself
            table = np.load(file, allow_pickle=False)
            if isinstance(table, np.ndarray):
                msg = f"A table must be an npz file, but {name} holds a single array. {remedy}"
                raise EvaluationError(msg)
            with table:
                yield table
    except RetiaError:
        raise
    except KeyError as error:
        msg = f"{name} lacks a part of a table: {error.args[0]}. {remedy}"
        raise EvaluationError(msg) from error
    except _DAMAGED as error:
        # Of text, and of pickles, numpy says how to load them unsafely, which is no advice for a file from
        # elsewhere.
        reason = (
            "it is of another kind, or holds pickled objects, which are not read"
            if isinstance(error, ValueError)
            else str(error)
        )
        msg = f"A table must be an npz file, but {name} can't be read as one: {reason}. {remedy}"
        raise EvaluationError(msg) from error
