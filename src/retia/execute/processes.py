"""An executor of processes that stay alive."""

import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from itertools import count
from threading import Lock
from types import MethodType, TracebackType
from typing import Any, ParamSpec, TypeVar

from retia.errors import EvaluationError, ExecutorError
from retia.execute.dispatcher import Dispatcher
from retia.execute.pickles import dumps
from retia.execute.wire import FUNCTION, pack
from retia.execute.worker_process import KEPT_FUNCTIONS, Call, Function, threads_environment

__all__ = ["Processes", "check_count"]

P = ParamSpec("P")
T = TypeVar("T")


class Processes(Executor):
    """Runs calls in processes that are started once and stay alive until `shutdown`, or until this process
    ends.

    A function is sent to a worker once, as it is when it is first submitted, however large; from then on only
    arguments and results travel. Scripts need no `if __name__ == "__main__"`: what a script or a notebook
    defines travels whole, and what a module defines is imported.

    A worker that dies costs the call that it ran (`WorkerDied`), and so does one that is killed for a call
    that takes too long (`TimeLimitExceeded`); another takes its place. An exception from a call carries the
    worker's traceback as its cause.

    Args:
        workers: The most calls at once. Processes are started as calls come.
        time_limit_s: How long a call may run, not counting the time to load its function.
        threads: How many threads the numeric libraries use in a worker; if None, the processors are shared
            out.

    Attributes:
        max_workers: The most calls at once.
        on_message: Hears, with the call's future, what a call emits, in a thread of the executor's; what it
            raises ends the call.

    Raises:
        ExecutorError: If an argument is not positive, or the system is Windows.
    """

    def __init__(
        self, workers: int, *, time_limit_s: float | None = None, threads: int | None = None
    ) -> None:
        check_count("workers", workers)
        if threads is not None:
            check_count("threads", threads)
        if time_limit_s is not None and not time_limit_s > 0:
            msg = f"'time_limit_s' must be more than 0 seconds, or None for no limit, got {time_limit_s!r}."
            raise ExecutorError(msg)
        if sys.platform == "win32":
            msg = (
                "Processes needs Linux or macOS, got Windows. Use workers=1, "
                "or executor=concurrent.futures.ProcessPoolExecutor()."
            )
            raise ExecutorError(msg)
        self.on_message: Callable[[Future[Any], Any], None] | None = None
        self.max_workers = workers
        self._time_limit_s = time_limit_s
        self._threads = threads or max(1, _processors() // workers)
        self._dispatcher: Dispatcher | None = None
        self._closed = False
        self._lock = Lock()
        self._numbers = count()
        self._functions: OrderedDict[Hashable, tuple[Function, Callable[..., Any]]] = OrderedDict()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call. The arguments travel as they are now.

        Raises:
            EvaluationError: If the function or an argument can't be pickled, not even by cloudpickle.
            RuntimeError: If the executor was shut down.
        """
        future: Future[T] = Future()
        arguments = _pickled((args, kwargs), "The arguments of a call", args)
        with self._lock:
            if self._closed:
                msg = (
                    "The executor was shut down and takes no more calls. Make a new one: "
                    f"Processes({self.max_workers})."
                )
                raise RuntimeError(msg)
            call = Call(next(self._numbers), future, self._function(fn), arguments)
            if self._dispatcher is None:
                self._dispatcher = Dispatcher(
                    self.max_workers,
                    time_limit_s=self._time_limit_s,
                    environment=threads_environment(self._threads),
                    on_message=self._tell,
                )
            self._dispatcher.put(call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and end each worker when there is nothing left for it."""
        self._close(wait=wait, cancel_futures=cancel_futures)

    def kill_workers(self) -> None:
        """Take no more calls, cancel those that wait, kill those that run, and return when the workers are
        gone.
        """
        self._close(wait=True, cancel_futures=True, kill=True)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the calls; after ctrl-C kill them."""
        if kind is None or issubclass(kind, Exception):
            self.shutdown()
        else:
            self.kill_workers()

    def _close(self, *, wait: bool, cancel_futures: bool, kill: bool = False) -> None:
        with self._lock:
            self._closed = True
            self._functions.clear()
            dispatcher = self._dispatcher
        if dispatcher is not None:
            dispatcher.close(cancel_futures=cancel_futures, kill=kill)
            if wait:
                dispatcher.join()

    def _tell(self, future: Future[Any], message: Any) -> None:
        if self.on_message is not None:
            self.on_message(future, message)

    def _function(self, fn: Callable[..., Any]) -> Function:
        # By identity, not equality, which may cost as much as sending; a bound method is made anew at each
        # access.
        key = (id(fn.__self__), id(fn.__func__)) if isinstance(fn, MethodType) else id(fn)
        if key not in self._functions:
            number = next(self._numbers)
            frame = pack(FUNCTION, _pickled(fn, "The function", fn), function=number)
            self._functions[key] = (
                Function(number, frame),
                fn,
            )  # holding fn keeps its id from being used again
            if len(self._functions) > KEPT_FUNCTIONS:
                self._functions.popitem(last=False)
        self._functions.move_to_end(key)
        return self._functions[key][0]


def _pickled(value: object, what: str, shown: object) -> bytes:
    try:
        return dumps(value)
    except Exception as error:
        msg = (
            f"{what} can't be sent to a worker process: {shown!r:.200}: {type(error).__name__}: {error}. "
            "Open files, locks, connections and generators don't travel: make them inside the call, "
            "or use workers=1."
        )
        raise EvaluationError(msg) from error


def check_count(name: str, value: int) -> None:
    """Check a number of workers or threads.

    Raises:
        ExecutorError: If it is not a whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"'{name}' must be a whole number of at least 1, got {value!r}."
        raise ExecutorError(msg)


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
