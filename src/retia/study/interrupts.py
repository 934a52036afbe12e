"""Interrupts from the keyboard, delayed while a trial is written."""

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """Delay ctrl-C while memory and storage are written together: `with interrupts:`.

    The interrupt is raised at the end of the block. A second one within the block is raised at once, because
    the storage may not answer. Only the main thread receives interrupts, so this has no effect in others.

    >>> interrupts = Interrupts()
    >>> interrupts.install()
    >>> with interrupts:
    ...     pass
    >>> interrupts.remove()
    """

    def __init__(self) -> None:
        self._before: Any = None
        self._held = False
        self._pending: tuple[int, FrameType | None] | None = None

    def install(self) -> None:
        """Receive interrupts, until `remove`."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._receive)

    def remove(self) -> None:
        """Restore the previous handler of interrupts."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def __enter__(self) -> Self:
        self._held = True
        return self

    def __exit__(self, *raised: object) -> None:
        self._held = False
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._before(*pending)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._held and self._pending is None:
            self._pending = number, frame
        else:
            self._pending = None
            self._before(number, frame)
