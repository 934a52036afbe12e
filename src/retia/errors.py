"""The errors that retia raises, each of which says what must hold, what did not, and what to do.

RetiaError
├── SpaceError          (ValueError)    a search space that can't be: a label, a domain, a candidate
├── ArchitectureError   (ValueError)    an architecture that is not one of its space
├── EvaluationError     (RuntimeError)  an evaluator that can't judge: its data, its result
├── StudyError          (RuntimeError)  a study that can't go on: its objectives, a changed space, nothing feasible
└── StorageError        (RuntimeError)  a storage that can't be read or written
"""


class RetiaError(Exception):
    """Any error that retia raises on purpose."""


class SpaceError(RetiaError, ValueError):
    """A search space is declared in a way that can't be searched."""


class ArchitectureError(RetiaError, ValueError):
    """An architecture does not belong to its space."""


class EvaluationError(RetiaError, RuntimeError):
    """An evaluator can't judge a model, or returned what is no result."""


class StudyError(RetiaError, RuntimeError):
    """A study can't start or go on."""


class StorageError(RetiaError, RuntimeError):
    """A storage can't be read, written or understood."""
