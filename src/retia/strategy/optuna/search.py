"""Search by a sampler of Optuna: what TPE and OptunaGP share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.random import Random
from retia.strategy.requirements import require_installed, require_whole
from retia.strategy.sampling.flat_space import FlatSpace
from retia.strategy.sampling.optimizer_proposals import optimizer_proposals
from retia.trial import History, Proposal

if TYPE_CHECKING:
    from retia.strategy.optuna.history import OptunaHistory

__all__ = ["SEEDS", "OptunaSearch"]

SEEDS = 2**31
"""Number of seeds of Optuna's samplers."""


@dataclass(kw_only=True)
class OptunaSearch(ABC):
    """Create a new sampler for each proposal, and give it the history.

    Args:
        startup: Number of completed trials until which architectures are drawn at random.
        memory: Number of the newest trials that the sampler sees, besides the best 25.

    Raises:
        SpaceError: If `startup` or `memory` is below 1.
        StudyError: If Optuna is not installed.
    """

    startup: int
    memory: int
    _past: Any = field(default=None, init=False, repr=False, compare=False)
    _imputes: ClassVar[bool]
    """Whether an inactive parameter gets its default."""

    def __post_init__(self) -> None:
        require_whole(self, startup=1, memory=1)
        require_installed("optuna", extra="optuna", by=type(self).__name__)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` unseen architectures; random ones until `startup` trials have completed."""
        if history.count("completed") < self.startup:
            return Random().propose(space, history, n, rng)
        from retia.strategy.optuna.history import OptunaHistory, quiet

        past: OptunaHistory | None = self._past
        if past is None or past.flat.space is not space or past.history is not history:
            past = self._past = OptunaHistory(
                FlatSpace(space), history, impute=self._imputes, most=self.memory
            )
        past.follow()
        with quiet():
            return optimizer_proposals(
                space, history, n, rng, lambda proposed: self._ask(past, proposed, rng)
            )

    @abstractmethod
    def _ask(
        self, past: "OptunaHistory", proposed: Sequence[Architecture], rng: np.random.Generator
    ) -> Architecture:
        """Return an architecture of a new sampler, which may be seen.

        Args:
            past: The trials.
            proposed: Architectures proposed in this call.
            rng: Random generator of the seed.
        """
