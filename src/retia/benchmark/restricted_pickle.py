"""Reading pickles of numbers that others wrote, without running their code."""

import bz2
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from retia.errors import EvaluationError

__all__ = ["read_pickle"]

_SCALAR = cast("Callable[..., Any]", np.float64(0).__reduce__()[0])  # where numpy keeps it depends on its version
_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
}
"""All that a pickle may name. Dictionaries, lists, sets, strings and numbers need no name."""


def read_pickle(path: Path) -> Any:
    """Read a file of pickled dictionaries, lists, strings and numbers, compressed by bz2.

    A pickle is a program that may call whatever it names. This reader lets it name an ordered dictionary and numpy's numbers, and nothing else.

    Raises:
        EvaluationError: If the pickle names anything else, or is none.
    """
    try:
        return _Restricted(io.BytesIO(bz2.decompress(path.read_bytes()))).load()
    except EvaluationError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it likes
        msg = f"{path} must be a pickle compressed by bz2, but it can't be read: {type(error).__name__}: {error}. Download it again."
        raise EvaluationError(msg) from error


class _Restricted(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _ALLOWED:
            msg = (
                f"The pickle asks for {module_name}.{global_name}, which no table of numbers needs, so nothing of it was run. Get the file from its "
                f"authors; of NATS-Bench the archive without trained weights, whose name ends in '-simple'."
            )
            raise EvaluationError(msg)
        return _ALLOWED[module_name, global_name]
