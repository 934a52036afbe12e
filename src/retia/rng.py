"""Seeds as coordinates: every random number follows from a seed and a place, and no generator is stored."""

import hashlib
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

__all__ = ["stream", "stream_seed"]


def stream(seed: int, *coordinates: str | int) -> np.random.Generator:
    """Return the generator that belongs to a place in a study.

    The same seed and coordinates give the same numbers in any process, in any order; other coordinates give
    independent ones.

    >>> stream(0, "propose", 17).random() == stream(0, "propose", 17).random()
    True
    """
    return np.random.Generator(np.random.PCG64(_Digest(_digest(seed, coordinates))))  # pyright: ignore[reportArgumentType]  # numpy's stubs forget ISeedSequence


def stream_seed(seed: int, *coordinates: str | int) -> int:
    """Return a seed of 63 bits for the place, for a library that wants a number and not a generator."""
    return int.from_bytes(_digest(seed, coordinates)[:8], "little") >> 1


class _Digest(ISeedSequence):
    """Seeds a PCG64, which asks for four words of 64 bits, from a hash: a `SeedSequence` takes three times as
    long to mix them.
    """

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> NDArray[Any]:
        """Return the first words of the hash."""
        return np.frombuffer(self._digest, _WORD, n_words).astype(dtype)


_WORD = np.dtype("<u8")


def _digest(seed: int, coordinates: tuple[str | int, ...]) -> bytes:
    # The repr tells a string from a number and where each ends; int() makes numpy's integers read like
    # Python's.
    place = [int(seed), *(one if isinstance(one, str) else int(one) for one in coordinates)]
    return hashlib.blake2b(repr(place).encode(), digest_size=32).digest()
