"""The study that a function defines, before it runs."""

from collections.abc import Callable
from contextvars import ContextVar

from retia.study.results import StudyResults

__all__ = ["defined_by", "hand_over"]

_WANTED: ContextVar[bool] = ContextVar("a study is wanted and not its run", default=False)


class _Defined(BaseException):
    """Leaves the function at its first `Study.run`. Not an `Exception`, which it might catch."""

    def __init__(self, study: StudyResults) -> None:
        self.study = study


def defined_by(code: Callable[[], object]) -> StudyResults | None:
    """Call a function up to its first `Study.run` and return that study; None if it runs no study."""
    token = _WANTED.set(True)
    try:
        code()
    except _Defined as defined:
        return defined.study
    finally:
        _WANTED.reset(token)
    return None


def hand_over(study: StudyResults) -> None:
    """Return the study to `defined_by`, if that called the running code."""
    if _WANTED.get():
        raise _Defined(study)
