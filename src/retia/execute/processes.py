"""An executor of worker processes that stay alive."""

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

__all__ = ["Processes", "require_count"]

P = ParamSpec("P")
T = TypeVar("T")


class Processes(Executor):
    """Runs calls in processes that stay alive until `shutdown`, or until this process ends.

    A function is sent to a worker once, in its state at the first submission; after that, only arguments and
    results are sent. Scripts need no `if __name__ == "__main__"`: definitions of a script or a notebook are
    sent as a whole, and definitions of a module are imported.

    A worker that dies loses only its running call (`WorkerDied`), as does one that is killed because its call
    exceeds the time limit (`TimeLimitExceeded`); a new worker replaces it. The cause of an exception from a
    call is the worker's traceback.

    Args:
        workers: Maximal number of calls at once. Processes are started on demand.
        time_limit_s: Seconds that a call may run, without the time to load its function. Default None, for no
            limit.
        threads: Number of threads of the numeric libraries in each worker. Default: the number of processors
            divided by `workers`.

    Attributes:
        max_workers: Maximal number of calls at once.
        on_message: Callback for emitted messages, with the call's future, called in a thread of the executor.
            Its errors end the call.

    Raises:
        ExecutorError: If `workers` or `threads` is not a whole number of at least 1, `time_limit_s` is not
            positive, or the system is Windows.
    """

    def __init__(
        self, workers: int, *, time_limit_s: float | None = None, threads: int | None = None
    ) -> None:
        require_count("workers", workers)
        if threads is not None:
            require_count("threads", threads)
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
        """Queue a call, with the arguments in their present state.

        Raises:
            EvaluationError: If cloudpickle can't pickle the function or an argument.
            RuntimeError: If the executor was shut down.
        """
        future: Future[T] = Future()
        arguments = _pickled((args, kwargs), "The arguments of a call", args)
        with self._lock:
            if self._closed:
                msg = (
                    "The executor was shut down and takes no more calls. Create a new one: "
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
        """Reject further calls, and end the workers after the queued calls."""
        self._close(wait=wait, cancel_futures=cancel_futures)

    def kill_workers(self) -> None:
        """Reject further calls, cancel waiting calls, kill running calls, and wait for the workers' end."""
        self._close(wait=True, cancel_futures=True, kill=True)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the calls; after an interrupt, kill them."""
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
        # By identity, because equality may cost as much as sending. Each access creates a new bound method.
        key = (id(fn.__self__), id(fn.__func__)) if isinstance(fn, MethodType) else id(fn)
        if key not in self._functions:
            number = next(self._numbers)
            frame = pack(FUNCTION, _pickled(fn, "The function", fn), function=number)
            self._functions[key] = (Function(number, frame), fn)  # fn is kept so that its id is not reused
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
            "Open files, locks, connections and generators can't be pickled. Create them inside the call, "
            "or use workers=1."
        )
        raise EvaluationError(msg) from error


def require_count(name: str, value: int) -> None:
    """Raise if a number of workers or threads is invalid.

    Raises:
        ExecutorError: If `value` is not a whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"'{name}' must be a whole number of at least 1, got {value!r}."
        raise ExecutorError(msg)


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
