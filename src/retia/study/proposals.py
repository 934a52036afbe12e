"""The next architecture to try."""

from retia.rng import stream
from retia.space import Architecture, SearchSpace
from retia.strategy import Strategy
from retia.trial import History, Proposal

__all__ = ["EXHAUSTED", "REPEATING", "next_proposal"]

EXHAUSTED = "search space exhausted"
REPEATING = "the strategy repeats itself"

REPEATS = 100
"""Number of times in a row that a strategy may propose what has been evaluated."""


def next_proposal(
    strategy: Strategy, space: SearchSpace, history: History, seed: int, number: int
) -> tuple[Proposal, Architecture] | str:
    """Ask the strategy for one architecture that has not been evaluated, and return it as the space spells
    it, or the reason why there is no such architecture.

    A known proposal is answered by asking again. The randomness is that of the trial's number, so that it
    does not depend on how many trials run at once.
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
