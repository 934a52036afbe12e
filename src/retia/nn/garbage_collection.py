"""Python's garbage collection, put off while a model is made."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["gc_paused"]


@contextmanager
def gc_paused() -> Generator[None]:
    """Put off the search for reference cycles inside: many thousand modules, none of which can be dropped
    yet, would be looked through many times.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
