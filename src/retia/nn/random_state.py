"""The only module that changes torch's global generator; it restores the generator afterwards."""

from collections.abc import Generator
from contextlib import contextmanager

import torch

__all__ = ["preserved", "seeded"]


@contextmanager
def seeded(seed: int | None) -> Generator[None]:
    """Seed torch's generators inside, and restore them afterwards; do nothing if `seed` is None."""
    if seed is None:
        yield
        return
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def preserved() -> Generator[None]:
    """Restore torch's CPU generator afterwards if it has changed.

    A generator that has not changed is left alone, so that threads without random numbers do not interfere.
    """
    before = torch.get_rng_state()
    try:
        yield
    finally:
        if not torch.equal(torch.get_rng_state(), before):
            torch.set_rng_state(before)
