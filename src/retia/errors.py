"""The errors that retia raises, each of which says what must hold, what did not, and what to do.

RetiaError
├── SpaceError          (ValueError)    a search space that can't be: a label, a domain, a candidate
├── ArchitectureError   (ValueError)    an architecture that is not one of its space
│   └── InfeasibleArchitecture          an architecture that is not a working model: shapes don't fit, or it
was rejected ├── SupernetError       (ValueError)    a model that can't be a supernet: a choice that its code
hides ├── EvaluationError     (RuntimeError)  an evaluator that can't judge: its data, its result
│   ├── TrainingDiverged                the loss became NaN or infinite
│   ├── WorkerDied                      the process that ran it is gone
│   └── TimeLimitExceeded               it took longer than it may
├── ExecutorError       (ValueError)    an executor that can't be: no workers, a limit that it can't keep
├── StudyError          (RuntimeError)  a study that can't go on: its objectives, a changed space, nothing
feasible └── StorageError        (RuntimeError)  a storage that can't be read or written
"""


class RetiaError(Exception):
    """Any error that retia raises on purpose."""


class SpaceError(RetiaError, ValueError):
    """A search space is declared in a way that can't be searched."""


class ArchitectureError(RetiaError, ValueError):
    """An architecture does not belong to its space."""


class InfeasibleArchitecture(ArchitectureError):
    """An architecture of the space is not a working model: its shapes do not fit, or its constructor rejects
    it.

    A study records such an architecture as infeasible, at no cost, so that the strategy learns to avoid it.
    """


class SupernetError(RetiaError, ValueError):
    """A model space can't be a supernet, or a supernet is asked for what it doesn't hold."""


class EvaluationError(RetiaError, RuntimeError):
    """An evaluator can't judge a model, or returned what is no result."""


class StudyError(RetiaError, RuntimeError):
    """A study can't start or go on."""


class StorageError(RetiaError, RuntimeError):
    """A storage can't be read, written or understood."""


class ExecutorError(RetiaError, ValueError):
    """An executor is asked for what it can't do."""


class TrainingDiverged(EvaluationError):
    """The loss of a training became NaN or infinite: the trial's own failure, not the evaluator's."""


class WorkerDied(EvaluationError):
    """The worker process that ran a call died; the call is lost, the executor goes on."""


class TimeLimitExceeded(EvaluationError):
    """A call ran longer than its time limit, and its worker was killed."""
