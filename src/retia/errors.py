"""The errors that retia raises; each message says what is wrong, where, and what to do.

RetiaError
├── SpaceError          (ValueError)    an invalid search space: a label, a domain, a candidate
├── ArchitectureError   (ValueError)    an architecture that does not belong to its space
│   └── InfeasibleArchitecture          an architecture that is not a working model
├── SupernetError       (ValueError)    a model that can't become a supernet
├── EvaluationError     (RuntimeError)  an evaluator that can't evaluate: its data, its result
│   ├── TrainingDiverged                the loss became NaN or infinite
│   ├── WorkerDied                      the worker process died
│   └── TimeLimitExceeded               the call exceeded its time limit
├── ExecutorError       (ValueError)    invalid arguments of an executor
├── StudyError          (RuntimeError)  a study that can't start or continue
└── StorageError        (RuntimeError)  a storage that can't be read or written
"""


class RetiaError(Exception):
    """Base class of all errors that retia raises on purpose."""


class SpaceError(RetiaError, ValueError):
    """The declaration of a search space is invalid."""


class ArchitectureError(RetiaError, ValueError):
    """An architecture does not belong to its space."""


class InfeasibleArchitecture(ArchitectureError):
    """An architecture of the space is not a working model.

    Its shapes do not fit, or the constructor rejects it. A study records it as infeasible, at no cost, so
    that the strategy learns to avoid it.
    """


class SupernetError(RetiaError, ValueError):
    """A model space can't become a supernet, or a supernet does not hold what is requested."""


class EvaluationError(RetiaError, RuntimeError):
    """An evaluator can't evaluate a model, or its result is invalid."""


class StudyError(RetiaError, RuntimeError):
    """A study can't start or continue."""


class StorageError(RetiaError, RuntimeError):
    """A storage can't be read, written or understood."""


class ExecutorError(RetiaError, ValueError):
    """An argument of an executor is invalid."""


class TrainingDiverged(EvaluationError):
    """The loss became NaN or infinite: the trial failed, the evaluator works."""


class WorkerDied(EvaluationError):
    """The worker process died during a call; the call is lost, and the executor continues."""


class TimeLimitExceeded(EvaluationError):
    """A call exceeded its time limit, and its worker was killed."""
