"""The thread that gives calls to worker processes and outcomes to futures."""

import pickle
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from multiprocessing.connection import Connection, Pipe, wait
from threading import Lock, Thread, current_thread
from time import monotonic
from typing import Any, Final

from retia.errors import EvaluationError, TimeLimitExceeded, WorkerDied
from retia.execute.wire import ERROR, LOADED, MESSAGE, READY, RESULT, unpack
from retia.execute.worker_process import Call, WorkerProcess

__all__ = ["Dispatcher"]

GRACE_S: Final = 5.0


class Dispatcher:
    """Owns the workers; all their state changes in its one thread, which sleeps until there is an event.

    Args:
        workers: Maximal number of processes, which are started while calls wait for them.
        time_limit_s: Seconds that a call may run once its function is loaded; None for no limit.
        environment: Environment variables of the processes.
        on_message: Callback for emitted messages, with the call's future.
    """

    def __init__(
        self,
        workers: int,
        *,
        time_limit_s: float | None,
        environment: Mapping[str, str],
        on_message: Callable[[Future[Any], Any], None],
    ) -> None:
        self._limit = workers
        self._time_limit_s = time_limit_s
        self._environment = environment
        self._on_message = on_message
        self._workers: list[WorkerProcess] = []
        self._pending: deque[Call] = deque()
        self._closing = self._killing = self._woken = False
        self._error: Exception | None = None
        self._lock = Lock()  # for _pending, the flags and _error; never held while a future is touched
        self._bell, self._ringer = Pipe(duplex=False)
        self._thread = Thread(target=self._main, name="retia-dispatcher", daemon=True)
        self._thread.start()

    def put(self, call: Call) -> None:
        """Queue a call.

        Raises:
            RuntimeError: If the thread ended with an error, which is the cause.
        """
        with self._lock:
            if self._error is not None:
                msg = f"The executor failed and takes no more calls: {self._error!r}. Create a new one."
                raise RuntimeError(msg) from self._error
            self._pending.append(call)
        self._wake()

    def close(self, *, cancel_futures: bool = False, kill: bool = False) -> None:
        """End after all calls; with `cancel_futures` after the running calls; with `kill` at once."""
        with self._lock:
            self._closing = True
            self._killing = self._killing or kill
            cancelled = list(self._pending) if cancel_futures else []
            if cancel_futures:
                self._pending.clear()
        for call in cancelled:
            if call.future.cancel():
                call.future.set_running_or_notify_cancel()
        self._wake()

    def join(self) -> None:
        """Wait for the end, unless called in this thread, by a future's callback."""
        if current_thread() is not self._thread:
            self._thread.join()

    def _wake(self) -> None:
        with self._lock:
            if not self._woken and not self._ringer.closed:
                self._ringer.send_bytes(b"")
                self._woken = True

    def _main(self) -> None:
        try:
            while self._assign():
                self._wait()
        except Exception as error:  # noqa: BLE001 - the futures must end, whatever fails here
            self._break(error)
        with self._lock:
            self._ringer.close()
            self._bell.close()

    def _assign(self) -> bool:
        """Give calls to idle workers, start and stop workers; return whether there is more to wait for."""
        for worker in self._workers:
            if worker.idle and (call := self._next()) is not None:
                self._start_call(worker, call)
        while self._short_of_workers() and (self._start_worker() or not self._workers):
            pass
        with self._lock:
            waiting, closing, killing = len(self._pending), self._closing, self._killing
        if closing and not waiting:
            for worker in self._workers:
                self._stop_worker(worker, kill=killing)
        return bool(self._workers or not closing or waiting)

    def _next(self) -> Call | None:
        while True:
            with self._lock:
                if not self._pending:
                    return None
                call = self._pending.popleft()
            if call.future.set_running_or_notify_cancel():
                return call

    def _start_call(self, worker: WorkerProcess, call: Call) -> None:
        try:
            loading = worker.start(call)
        except OSError:
            worker.lost = True  # the process is dead; its reaper reports that soon
            worker.kill()
            return
        if not loading:
            self._set_deadline(worker)

    def _set_deadline(self, worker: WorkerProcess) -> None:
        if self._time_limit_s is not None:
            worker.deadline = monotonic() + self._time_limit_s

    def _short_of_workers(self) -> bool:
        with self._lock:
            waiting = len(self._pending)
        return len(self._workers) < self._limit and waiting > sum(
            not worker.ready for worker in self._workers
        )

    def _start_worker(self) -> bool:
        try:
            self._workers.append(WorkerProcess(self._environment, self._wake))
        except OSError as error:
            self._fail_oldest(f"the system refused: {error}")
            return False
        return True

    def _fail_oldest(self, reason: str) -> None:
        """Fail the oldest call for a worker that did not start, so that the queue ends in any case."""
        if (call := self._next()) is not None:
            msg = (
                f"A worker process could not start: {reason}. Read what it printed, "
                "or use workers=1, which needs no process."
            )
            call.future.set_exception(WorkerDied(msg))

    def _stop_worker(self, worker: WorkerProcess, *, kill: bool) -> None:
        if kill:
            worker.failure = worker.failure or WorkerDied(
                f"The worker process {worker.pid} was killed by kill_workers() while it ran this call."
            )
            worker.kill()
        elif worker.call is None and not worker.stopping:
            worker.stop()
            worker.deadline = monotonic() + GRACE_S

    def _wait(self) -> None:
        """Wait for a frame, the end of a worker, a deadline or the bell, and handle it."""
        deadlines = [worker.deadline for worker in self._workers if worker.deadline is not None]
        timeout = max(0.0, min(deadlines) - monotonic()) if deadlines else None
        sources: list[Connection] = [
            self._bell,
            *(worker.connection for worker in self._workers if not worker.lost),
        ]
        spoke = wait(sources, timeout)
        if self._bell in spoke:
            with self._lock:
                self._bell.recv_bytes()
                self._woken = False
        for worker in list(self._workers):
            if worker.connection in spoke:
                self._receive(worker)
            if worker.exited:
                self._remove(worker)
            elif worker.deadline is not None and monotonic() >= worker.deadline:
                self._expire(worker)

    def _receive(self, worker: WorkerProcess) -> None:
        try:
            kind, function, call, body = unpack(worker.connection.recv_bytes())
        except (EOFError, OSError):
            worker.lost = True
            worker.kill()  # it can't be reached any more
            return
        if kind == READY:
            worker.ready = True
        elif worker.call is None or worker.failure is not None:
            return  # from a thread that the call left behind, or too late
        elif kind == LOADED:
            if function == worker.call.function.number:
                self._set_deadline(worker)
        elif call != worker.call.number:
            return  # from a thread that an earlier call left behind
        elif kind == MESSAGE:
            self._forward(worker, worker.call, body)
        else:
            future, worker.call, worker.deadline = worker.call.future, None, None
            _settle(future, kind, body)

    def _forward(self, worker: WorkerProcess, call: Call, body: memoryview) -> None:
        try:
            self._on_message(call.future, pickle.loads(body))
        except Exception as error:  # noqa: BLE001 - it ends the call, as with InProcess
            worker.failure = error
            worker.kill()

    def _expire(self, worker: WorkerProcess) -> None:
        if worker.call is not None:
            worker.failure = TimeLimitExceeded(
                f"The call ran longer than its time limit of {self._time_limit_s} s, "
                f"and its worker process {worker.pid} was killed. "
                "Increase time_limit_s, or make the call shorter (fewer epochs, a smaller model)."
            )
        worker.deadline = None
        worker.kill()

    def _remove(self, worker: WorkerProcess) -> None:
        while not worker.lost and worker.connection.poll():
            self._receive(worker)
        worker.connection.close()
        self._workers.remove(worker)
        if worker.call is not None:
            worker.call.future.set_exception(worker.failure or WorkerDied(_death_message(worker)))
        elif not worker.ready and not worker.stopping:
            self._fail_oldest(worker.ending)

    def _break(self, error: Exception) -> None:
        """End every call with an error of this thread."""
        with self._lock:
            self._error = error
        for worker in self._workers:
            worker.kill()
            worker.connection.close()
            if worker.call is not None:
                worker.call.future.set_exception(error)
        while (call := self._next()) is not None:
            call.future.set_exception(error)


def _settle(future: Future[Any], kind: bytes, body: memoryview) -> None:
    try:
        outcome = pickle.loads(body)
    except Exception as error:  # noqa: BLE001 - unpickling runs users' code
        msg = (
            f"The result of a call can't be unpickled from its worker process: {type(error).__name__}: "
            f"{error}. Return numbers, strings, arrays and containers of them."
        )
        kind, outcome = ERROR, (EvaluationError(msg), msg)
    if kind == RESULT:
        future.set_result(outcome)
        return
    error, text = outcome
    error.__cause__ = RemoteTraceback(text)
    future.set_exception(error)


class RemoteTraceback(Exception):
    """The traceback in the worker process, as the cause of an exception that came from there."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def _death_message(worker: WorkerProcess) -> str:
    return (
        f"The worker process {worker.pid} died while it ran this call: {worker.ending}. "
        "The other calls continue. Run the call in this process (workers=1) to see why. "
        "If memory ran out, use fewer workers or smaller models."
    )
