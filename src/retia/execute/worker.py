"""The main program of a worker process: it loads functions, calls them, and sends the outcomes."""

import os
import pickle
import signal
import sys
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from traceback import format_exception
from typing import Any

from retia.errors import EvaluationError
from retia.execute.fork import end_copy
from retia.execute.pickles import dumps
from retia.execute.progress import emitting_to
from retia.execute.wire import (
    CALL,
    ERROR,
    FORGET,
    FUNCTION,
    LOADED,
    MESSAGE,
    READY,
    RESULT,
    STOP,
    pack,
    unpack,
)

__all__ = ["main"]


def main(descriptor: int) -> None:
    """Serve the parent at the other end of the socket until it sends a stop, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # no printed line is lost when the process is killed
    connection = Connection(descriptor)
    inbox: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read, args=(connection, inbox), name="retia-parent", daemon=True).start()
    _serve(inbox, _Parent(connection))


class _Parent:
    """The connection to the parent, for calls that may emit from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = Lock()
        self._pid = os.getpid()

    def send(self, frame: bytes) -> None:
        if os.getpid() != self._pid:
            end_copy(self._pid)  # before the lock, which another thread may have held at the fork
        with self._lock:
            self._connection.send_bytes(frame)

    def tell(self, call: int, message: Any) -> None:
        self.send(pack(MESSAGE, _dumped(message, "message that a call emitted"), call=call))


def _read(connection: Connection, inbox: SimpleQueue[bytes]) -> None:
    """Queue the parent's frames, and kill this process group when the parent is gone."""
    try:
        while True:
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)  # including the processes that the call has started


def _serve(inbox: SimpleQueue[bytes], parent: _Parent) -> None:
    functions: dict[int, Callable[..., Any]] = {}
    parent.send(pack(READY))
    while True:
        kind, number, call, body = unpack(inbox.get())
        if kind == FUNCTION:
            functions[number] = _load(body)
            parent.send(pack(LOADED, function=number))
        elif kind == FORGET:
            del functions[number]
        elif kind == CALL:
            parent.send(pack(*_outcome(functions[number], body, partial(parent.tell, call)), call=call))
        elif kind == STOP:
            return
        del body  # or a large function would be kept twice


def _outcome(
    function: Callable[..., Any], arguments: memoryview, tell: Callable[[Any], None]
) -> tuple[bytes, bytes]:
    try:
        args, kwargs = pickle.loads(arguments)
        with emitting_to(tell):
            result = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - any error of a call is its outcome
        return ERROR, _dumped_error(error)
    try:
        return RESULT, _dumped(result, "result of a call")
    except EvaluationError as error:
        return ERROR, _dumped_error(error)


def _load(body: memoryview) -> Callable[..., Any]:
    try:
        return pickle.loads(body)
    except Exception as error:  # noqa: BLE001 - unpickling runs users' code
        text = (
            f"A worker process can't load the function: {type(error).__name__}: {error}. "
            "Workers import through the parent's sys.path. Put what the function needs in a module on it, "
            "or define it in the script or notebook itself."
        )

    def unloadable(*_: object, **__: object) -> None:
        raise EvaluationError(text)

    return unloadable


def _dumped(value: Any, what: str) -> bytes:
    try:
        return dumps(value)
    except Exception as error:
        msg = (
            f"The {what} can't be sent from its worker process: {type(value).__name__}: "
            f"{type(error).__name__}: {error}. "
            "Use numbers, strings, arrays and containers of them, and write larger data to files."
        )
        raise EvaluationError(msg) from error


def _dumped_error(error: Exception) -> bytes:
    """Return the pickle of the error and its traceback as text; if that fails, of the error's message."""
    traceback = error.__traceback__
    text = "".join(format_exception(type(error), error, traceback and traceback.tb_next))
    try:
        body = dumps((error, text))
        pickle.loads(body)
    except Exception:  # noqa: BLE001 - pickling runs users' code
        body = dumps((EvaluationError(f"{type(error).__qualname__}: {error}"), text))
    return body
