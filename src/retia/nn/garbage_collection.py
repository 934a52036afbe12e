"""Python's garbage collection, paused while a model is made."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["gc_paused"]


@contextmanager
def gc_paused() -> Generator[None]:
    """Pause the cyclic garbage collector, which would traverse thousands of new modules many times."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
