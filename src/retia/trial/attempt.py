"""An earlier attempt at a trial, and the text of an error as it is stored."""

from dataclasses import dataclass

__all__ = ["LONGEST_ERROR", "Attempt", "bounded"]

LONGEST_ERROR = 20_000
"""How many characters of an error text are kept."""


@dataclass(frozen=True)
class Attempt:
    """An attempt at a trial that failed, after which the trial was started again.

    Args:
        error: Why it failed.
        started: When it started, in seconds since 1970.
        ended: When it ended, in seconds since 1970.
    """

    error: str
    started: float
    ended: float


def bounded(text: str) -> str:
    """Return an error text of at most about `LONGEST_ERROR` characters: its beginning and its end, with the
    number of characters left out.

    >>> len(bounded("x" * 1_000_000))
    20055
    """
    left_out = len(text) - LONGEST_ERROR
    if left_out <= 0:
        return text
    half = LONGEST_ERROR // 2
    return f"{text[:half]}\n... {left_out:,} characters of this error are left out ...\n{text[-half:]}"
