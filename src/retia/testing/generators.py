"""Global random generators, which implementations must not use."""

import random
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["unmoved_generators"]


@contextmanager
def unmoved_generators() -> Generator[None]:
    """Raise AssertionError if a global generator of Python, numpy or torch is used in the block."""
    before = _states()
    yield
    assert before == _states(), "a global generator was used; all randomness must come from `rng`"


def _states() -> list[Any]:
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  # the global generator is watched
    torch = sys.modules.get("torch")  # without torch, its generator can't be used
    torch_state = None if torch is None else bytes(torch.get_rng_state().numpy())
    return [random.getstate(), name, bytes(np.asarray(keys)), rest, torch_state]
