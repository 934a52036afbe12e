"""Npz files that may be damaged, or in another format."""

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
"""The exceptions of numpy for files that are damaged, or in another format."""


@contextmanager
def open_npz(path: str | os.PathLike[str], remedy: str, form: str | None = None) -> Generator[Any]:
    """Open an npz file, whose arrays are read on demand and never unpickled.

    Args:
        path: Path of the file.
        remedy: Advice in the errors.
        form: The required value of "format" in the file. Default: any.

    Raises:
        EvaluationError: If the file is not an npz file, is damaged, has another format, or lacks an array.
    """
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:  # numpy does not close a damaged file
            table = np.load(file, allow_pickle=False)
            if isinstance(table, np.ndarray):
                msg = f"A table must be an npz file, but {name} is a single array. {remedy}"
                raise EvaluationError(msg)
            with table:
                found = str(table["format"]) if "format" in table else None
                if form not in (None, found):
                    msg = f"{name} must be a table in the format '{form}', got '{found}'. {remedy}"
                    raise EvaluationError(msg)
                yield table
    except RetiaError:
        raise
    except KeyError as error:
        msg = f"{name} lacks a part of a table: {error.args[0]}. {remedy}"
        raise EvaluationError(msg) from error
    except _DAMAGED as error:
        # numpy's message for text and pickles explains how to load them unsafely.
        unsafe = isinstance(error, ValueError)
        reason = "it is another kind of file, or contains pickled objects" if unsafe else str(error)
        msg = f"A table must be an npz file, but {name} can't be read as one: {reason}. {remedy}"
        raise EvaluationError(msg) from error
