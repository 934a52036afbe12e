"""Unseen proposals of an optimizer that may repeat itself."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.sampling.unseen import AnyOf, unseen_mutant, unseen_proposals
from retia.trial import History, Proposal

__all__ = ["optimizer_proposals"]

ASKS = 3
"""Number of times an optimizer is asked for an unseen architecture before a mutant is proposed."""


def optimizer_proposals(
    space: SearchSpace,
    history: History,
    n: int,
    rng: np.random.Generator,
    ask: Callable[[Sequence[Architecture]], Architecture],
) -> list[Proposal]:
    """Return `n` unseen architectures: those that `ask` returns, mutants of them, or random ones.

    If all three answers of `ask` are seen, the last is mutated, so that the proposal stays close to what the
    optimizer prefers. If all of them break a restriction, the best evaluated trial is mutated.

    Args:
        space: The search space.
        history: The trials of the study.
        n: Number of proposals.
        rng: Random generator of the mutants and of the random architectures.
        ask: Function from the architectures proposed in this call to the next one, which may be seen, or
            break a restriction.
    """

    def draw(proposed: Mapping[Architecture, Proposal]) -> Proposal | None:
        seen, start = AnyOf(history, proposed), None
        for _ in range(ASKS):
            architecture = ask(list(proposed))
            if space.allows(architecture):
                if architecture not in seen:
                    return Proposal(architecture)
                start = architecture
        if start is None and history.evaluated:
            start = (history.best or history.best_of(history.evaluated)).architecture
        mutant = None if start is None else unseen_mutant(space, seen, start, rng)
        return None if mutant is None else Proposal(mutant)

    return unseen_proposals(space, history, n, rng, draw)
