"""Weights that can't be saved."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["unsaved_is_a_warning"]


@contextmanager
def unsaved_is_a_warning(directory: Path) -> Generator[None]:
    """Turn an error while a trial's weights are saved, such as a full disk, into a warning.

    The trial keeps its metrics, which took longer to compute than the weights take to save again.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever fails, the metrics are worth more
        msg = (
            f"The weights of a trial can't be saved in '{directory}' ({type(error).__name__}: {error}). "
            "Its metrics are kept, but load() will find no weights. "
            "Make room or give another folder, directory=, or set keep_weights='none'."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=4)
