"""The next architecture to try."""

from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy import Strategy
from retia.trial import History, Proposal

__all__ = ["EXHAUSTED", "REPEATING", "next_proposal"]

EXHAUSTED = "search space exhausted"
REPEATING = "the strategy repeats itself"

REPEATS = 100
"""Maximum number of calls of a strategy that proposes what has been evaluated."""


def next_proposal(
    strategy: Strategy, space: SearchSpace, history: History, seed: int, number: int
) -> tuple[Proposal, Architecture] | str:
    """Return a proposal for a new trial with its valid architecture, or the reason for no proposal.

    If the strategy proposes what has been evaluated, it is called again. The random numbers depend on the
    number of the trial, and not on how many trials run at once.
    """
    for attempt in range(REPEATS):
        proposals = strategy.propose(space, history, 1, stream(seed, "propose", number, attempt))
        if not proposals:
            return EXHAUSTED
        for proposal in proposals:
            architecture = space.validate(proposal.architecture)
            if history.find(architecture, proposal.fidelity) is None:
                return proposal, architecture
    return REPEATING
