"""Where trials run: anything with the interface of `concurrent.futures.Executor`; here, in process and in
worker processes.
"""

from retia.execute.executor import executor_for, let_go, slots_of
from retia.execute.fork import copies_ended
from retia.execute.in_process import InProcess
from retia.execute.pickles import dumps
from retia.execute.processes import Processes, check_count
from retia.execute.progress import emit

__all__ = [
    "InProcess",
    "Processes",
    "check_count",
    "copies_ended",
    "dumps",
    "emit",
    "executor_for",
    "let_go",
    "slots_of",
]
