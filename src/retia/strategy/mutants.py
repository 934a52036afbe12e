"""Mutants that have not been proposed yet."""

from collections.abc import Container

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace

__all__ = ["unseen_mutant"]

TRIES = 10


def unseen_mutant(
    space: SearchSpace, seen: Container[Architecture], architecture: Architecture, rng: np.random.Generator
) -> Architecture | None:
    """Return the architecture mutated once, or again and again until it is not in `seen`; None if it can't be
    had in some attempts.
    """
    for _ in range(TRIES):
        try:
            architecture = space.mutate(architecture, rng)
        except SpaceError:  # nothing varies, or nothing that varies meets the restrictions
            return None
        if architecture not in seen:
            return architecture
    return None
