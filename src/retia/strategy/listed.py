"""Given architectures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retia.space import SearchSpace, Value
from retia.trial import History, Proposal

__all__ = ["Listed"]


@dataclass(frozen=True)
class Listed:
    """Propose given architectures in their order, such as the best of another search.

    Args:
        architectures: The architectures.

    >>> from retia.space import Integer
    >>> from retia.trial import Objective
    >>> space = SearchSpace({"x": Integer(0, 9)})
    >>> strategy = Listed([{"x": 7}, {"x": 2}])
    >>> history = History((Objective("y", "maximize"),))
    >>> proposals = strategy.propose(space, history, 5, np.random.default_rng(0))
    >>> [proposal.architecture["x"] for proposal in proposals]
    [7, 2]
    """

    architectures: Sequence[Mapping[str, Value]]

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the next `n` architectures that have no trial at the fidelity None.

        Raises:
            ArchitectureError: If one of `architectures` does not belong to the space.
        """
        del rng
        fresh = (
            architecture
            for architecture in map(space.validate, self.architectures)
            if history.find(architecture, None) is None
        )
        return [Proposal(architecture) for architecture in dict.fromkeys(fresh)][:n]
