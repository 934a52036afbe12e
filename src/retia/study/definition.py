"""The study that some code would run, taken before it runs."""

from collections.abc import Callable
from contextvars import ContextVar

from retia.study.results import StudyResults

__all__ = ["defined_by", "hand_over"]

_WANTED: ContextVar[bool] = ContextVar("a study is wanted and not its run", default=False)


class _Defined(BaseException):
    """Leaves the code at its first `Study.run`; not an Exception, so that the code does not catch it."""

    def __init__(self, study: StudyResults) -> None:
        self.study = study


def defined_by(code: Callable[[], object]) -> StudyResults | None:
    """Call a function up to where it first runs a study, and return that study, which has not run; None if it
    runs no study.
    """
    token = _WANTED.set(True)
    try:
        code()
    except _Defined as defined:
        return defined.study
    finally:
        _WANTED.reset(token)
    return None


def hand_over(study: StudyResults) -> None:
    """Leave the running code with the study, if `defined_by` called it."""
    if _WANTED.get():
        raise _Defined(study)
