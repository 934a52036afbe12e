"""Seeds as coordinates: every random number follows from a seed and a place, and no generator is stored."""

import zlib

import numpy as np

__all__ = ["stream", "stream_seed"]


def stream(seed: int, *coordinates: str | int) -> np.random.Generator:
    """Return the generator that belongs to a place in a study.

    The same seed and coordinates give the same numbers in any process, in any order; other coordinates give
    independent ones.

    >>> stream(0, "propose", 17).integers(100) == stream(0, "propose", 17).integers(100)
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_entropy(seed, coordinates))))


def stream_seed(seed: int, *coordinates: str | int) -> int:
    """Return a seed of 63 bits for the place, for a library that wants a number and not a generator."""
    state = np.random.SeedSequence(_entropy(seed, coordinates)).generate_state(1, np.uint64)
    return int(state[0]) >> 1


def _entropy(seed: int, coordinates: tuple[str | int, ...]) -> list[int]:
    # A string and a number never collide: each coordinate is tagged with its kind.
    words = [seed if seed >= 0 else (1 << 64) + seed]
    for coordinate in coordinates:
        if isinstance(coordinate, str):
            words += (1, zlib.crc32(coordinate.encode()))
        else:
            words += (2, coordinate)
    return words
