"""Messages from a running call to its executor."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["emit", "emitting_to"]

_sink: ContextVar[Callable[[Any], None] | None] = ContextVar("sink", default=None)


def emit(message: Any) -> None:
    """Send a message from the running call to the `on_message` of its executor; outside a call, do nothing.

    Call it in the thread that runs the call: another thread has its own context, in which there is no call.
    """
    sink = _sink.get()
    if sink is not None:
        sink(message)


@contextmanager
def emitting_to(sink: Callable[[Any], None]) -> Generator[None]:
    """Send the messages emitted within the block to `sink`."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)
