"""Optional dependencies."""

from importlib.util import find_spec

from retia.errors import StudyError

__all__ = ["check_installed"]


def check_installed(module: str, *, extra: str, by: str) -> None:
    """Check that an optional dependency is there, without importing it.

    Raises:
        StudyError: If it is not; the message names the extra that brings it.
    """
    if find_spec(module) is None:
        msg = f"{by} needs {module}, which is not installed. Install it: pip install 'retia[{extra}]'"
        raise StudyError(msg)
