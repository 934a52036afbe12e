"""Asking an optimizer that repeats itself for architectures that are new."""

from collections.abc import Callable, Container, Sequence

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.mutants import unseen_mutant
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal

__all__ = ["Ask", "ask_for_unseen"]

ASKS = 3
"""How many times an optimizer is asked for a proposal before what it said last is mutated."""

Ask = Callable[[Sequence[Architecture]], Architecture]
"""Given what it has proposed just now, returns what the optimizer proposes next; it may be known, or break a
restriction.
"""


def ask_for_unseen(
    space: SearchSpace, history: History, n: int, rng: np.random.Generator, ask: Ask
) -> list[Proposal]:
    """Return `n` new architectures of the space: what the optimizer says, or a mutant of it, or else a random
    one.

    A mutant of what is known already stays near to what the optimizer believes in. What breaks a restriction
    has no mutants; the best evaluated trial takes its place.
    """
    taken: dict[Architecture, None] = {}
    for _ in range(n):
        seen = AnyOf(history, taken)
        architecture = _unseen(space, history, seen, rng, lambda: ask(list(taken))) or sample_unseen(
            space, seen, rng
        )
        if architecture is None:
            break
        taken[architecture] = None
    return [Proposal(architecture) for architecture in taken]


def _unseen(
    space: SearchSpace,
    history: History,
    seen: Container[Architecture],
    rng: np.random.Generator,
    ask: Callable[[], Architecture],
) -> Architecture | None:
    known: Architecture | None = None
    for _ in range(ASKS):
        architecture = ask()
        if space.allows(architecture):
            if architecture not in seen:
                return architecture
            known = architecture
    if known is None and history.evaluated:
        known = (history.best or history.best_of(history.evaluated)).architecture
    return None if known is None else unseen_mutant(space, seen, known, rng)
