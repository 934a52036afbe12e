"""The one place that touches torch's global generator, and puts it back."""

from collections.abc import Generator
from contextlib import contextmanager

import torch

__all__ = ["preserved", "seeded"]


@contextmanager
def seeded(seed: int | None) -> Generator[None]:
    """Seed torch inside, and restore its generators afterwards; do nothing for None."""
    if seed is None:
        yield
        return
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def preserved() -> Generator[None]:
    """Put torch's generator back afterwards, if anything moved it.

    Nothing is seeded, so that threads which draw nothing don't disturb each other.
    """
    before = torch.get_rng_state()
    try:
        yield
    finally:
        if not torch.equal(torch.get_rng_state(), before):
            torch.set_rng_state(before)
