"""Checking something against the laws of its protocol."""

import random
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["check_laws", "unmoved_generators"]


def check_laws(kind: str, laws: Iterable[Callable[..., None]], *subject: Any) -> None:
    """Check each law in turn.

    Args:
        kind: What is checked, such as "strategy", for the message.
        laws: Functions that raise AssertionError if `subject` breaks them.
        subject: Arguments of the laws.

    Raises:
        AssertionError: If a law is broken or raises an error. The message names the law.
    """
    for law in laws:
        try:
            law(*subject)
        except Exception as error:
            msg = (
                f"The {kind} breaks the law '{law.__name__}' ({(law.__doc__ or '').strip()}): "
                f"{type(error).__name__}: {error}"
            )
            raise AssertionError(msg) from error


@contextmanager
def unmoved_generators() -> Generator[None]:
    """Raise AssertionError if a global generator of Python, numpy or torch is drawn from in the block."""
    before = _states()
    yield
    assert before == _states(), "a global generator was drawn from; take random numbers from the argument"


def _states() -> list[Any]:
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  # the global one is compared
    torch = sys.modules.get("torch")  # without torch, nobody can have drawn from its generator
    drawn = None if torch is None else bytes(torch.get_rng_state().numpy())
    return [random.getstate(), name, bytes(np.asarray(keys)), rest, drawn]
