"""Where trials run: in this process, in worker processes, or on any `concurrent.futures.Executor`."""

from retia.execute.executor import executor_for, release_executor, slots_of
from retia.execute.fork import copies_ended
from retia.execute.in_process import InProcess
from retia.execute.pickles import dumps
from retia.execute.processes import Processes, require_count
from retia.execute.progress import emit

__all__ = [
    "InProcess",
    "Processes",
    "copies_ended",
    "dumps",
    "emit",
    "executor_for",
    "release_executor",
    "require_count",
    "slots_of",
]
