"""Search by one of Optuna's samplers: what TPE and GP share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.asking import ask_for_unseen
from retia.strategy.columns import Columns
from retia.strategy.extras import check_installed
from retia.strategy.random import Random
from retia.strategy.settings import check_whole
from retia.trial import History, Proposal

if TYPE_CHECKING:
    from retia.strategy.optuna_past import Past

__all__ = ["OptunaSearch"]


@dataclass(kw_only=True)
class OptunaSearch(ABC):
    """Ask a new sampler for each proposal, and show it the history: what is kept between proposals is only
    how Optuna has the trials.

    Args:
        startup: How many trials must have completed; until then architectures are drawn at random.
        memory: How many of the newest trials the sampler sees, beside the best 25.

    Raises:
        SpaceError: If a number is out of its range.
        StudyError: If Optuna is not installed.
    """

    startup: int
    memory: int
    _past: Any = field(default=None, init=False, repr=False, compare=False)
    _imputes: ClassVar[bool]  # whether an inactive parameter has its default

    def __post_init__(self) -> None:
        check_whole(self, startup=1, memory=1)
        check_installed("optuna", extra="optuna", by=type(self).__name__)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` new architectures that are promising; random ones until enough trials have completed."""
        if history.count("completed") < self.startup:
            return Random().propose(space, history, n, rng)
        from retia.strategy.optuna_past import Past, quiet

        past: Past | None = self._past
        if past is None or past.columns.space is not space or past.history is not history:
            past = self._past = Past(Columns(space), history, impute=self._imputes, most=self.memory)
        past.follow()
        with quiet():
            return ask_for_unseen(space, history, n, rng, lambda proposed: self._ask(past, proposed, rng))

    @abstractmethod
    def _ask(self, past: "Past", proposed: Sequence[Architecture], rng: np.random.Generator) -> Architecture:
        """Return what a new sampler proposes, which may be known.

        Args:
            past: The trials.
            proposed: What has been proposed just now.
            rng: Where the randomness comes from.
        """
