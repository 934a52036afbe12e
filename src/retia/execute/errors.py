"""What goes wrong where trials run.

RetiaError
├── ExecutorError             (ValueError)    an executor that can't be: no workers, a limit that it can't keep
└── EvaluationError           (RuntimeError)
    ├── WorkerDied                            the process that ran the call is gone
    └── TimeLimitExceeded                     the call took longer than it may
"""

from retia.errors import EvaluationError, RetiaError

__all__ = ["ExecutorError", "TimeLimitExceeded", "WorkerDied"]


class ExecutorError(RetiaError, ValueError):
    """An executor is asked for what it can't do."""


class WorkerDied(EvaluationError):
    """The worker process that ran a call died; the call is lost, the executor goes on."""


class TimeLimitExceeded(EvaluationError):
    """A call ran longer than its time limit, and its worker was killed."""
