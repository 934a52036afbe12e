"""An earlier attempt at a trial, and the text of an error as it is stored."""

from dataclasses import dataclass

__all__ = ["LONGEST_ERROR", "Attempt", "bounded"]

LONGEST_ERROR = 20_000
"""Maximum number of characters of a stored error."""


@dataclass(frozen=True)
class Attempt:
    """An attempt at a trial that failed, after which the trial was started again.

    Args:
        error: Error with its traceback.
        started: Start time in seconds since 1970.
        ended: End time in seconds since 1970.
    """

    error: str
    started: float
    ended: float


def bounded(text: str) -> str:
    """Return an error text shortened in the middle to about `LONGEST_ERROR` characters.

    >>> len(bounded("x" * 1_000_000))
    20055
    """
    left_out = len(text) - LONGEST_ERROR
    if left_out <= 0:
        return text
    half = LONGEST_ERROR // 2
    return f"{text[:half]}\n... {left_out:,} characters of this error are left out ...\n{text[-half:]}"
