"""An executor without processes or threads."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

from retia.execute.progress import emitting_to

__all__ = ["InProcess"]

P = ParamSpec("P")
T = TypeVar("T")


class InProcess(Executor):
    """Runs each call when it is submitted, before `submit` returns.

    The future keeps an exception of the call. A BaseException that is not an Exception, such as
    KeyboardInterrupt, is raised by `submit`.

    Attributes:
        max_workers: 1.
        on_message: Callback for emitted messages, with the call's future. Its errors are raised in the call.
    """

    def __init__(self) -> None:
        self.on_message: Callable[[Future[Any], Any], None] | None = None
        self.max_workers = 1
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run the call and return its finished future.

        Raises:
            RuntimeError: If the executor was shut down.
        """
        if self._closed:
            msg = "The executor was shut down and takes no more calls. Create a new one: InProcess()."
            raise RuntimeError(msg)
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        with emitting_to(partial(self._tell, future)):
            try:
                result = fn(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - any error of a call is its outcome
                future.set_exception(error)
            else:
                future.set_result(result)
        try:
            return future
        finally:
            # an exception refers to this frame; a reference back to the future would keep the model alive
            del future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Reject further calls; there are no running calls to wait for."""
        del wait, cancel_futures
        self._closed = True

    def _tell(self, future: Future[Any], message: Any) -> None:
        if self.on_message is not None:
            self.on_message(future, message)
