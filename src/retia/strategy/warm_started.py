"""A strategy that starts from known architectures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from retia.errors import StudyError
from retia.space import SearchSpace, Value
from retia.strategy.listed import Listed
from retia.strategy.protocol import Strategy
from retia.strategy.requirements import require_strategy
from retia.strategy.views.joined_history import JoinedHistory
from retia.trial import History, Proposal, StrategyCapabilities, Trial, strategy_capabilities_of

__all__ = ["WarmStarted"]


@dataclass
class WarmStarted:
    """Propose known architectures first, or give a strategy recorded results to learn from.

    `WarmStarted(TPE(), Study.open("first.db").top(10))` evaluates the best architectures of an earlier study
    again. Use it if the evaluator, the data or the budget differs, so that the metrics are not comparable.

    `WarmStarted(TPE(), Study.open("first.db").trials, recorded=True)` evaluates no architecture again: the
    strategy sees the earlier trials before those of this study. It learns from them, and does not propose
    them. They do not become trials of this study, so that `best` is one of its own. Pass the earlier best as
    `baseline` to compare with it.

    Args:
        strategy: Strategy that proposes after the known architectures.
        known: Architectures or trials, in the order of the proposals.
        recorded: Whether the strategy sees the results of `known`, which must be trials, instead. Completed
            and infeasible trials are used. Default False.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes, or `known` is not a list of
            architectures and trials (of trials, if `recorded`).

    >>> from retia.space import Integer
    >>> from retia.strategy import Random
    >>> from retia.trial import Objective
    >>> strategy = WarmStarted(Random(), [{"width": 9}])
    >>> space, history = SearchSpace({"width": Integer(1, 9)}), History((Objective("y", "maximize"),))
    >>> proposals = strategy.propose(space, history, 1, np.random.default_rng(0))
    >>> [proposal.architecture["width"] for proposal in proposals]
    [9]

    Recorded architectures are not proposed:

    >>> earlier = [
    ...     Trial(width - 1, space.validate({"width": width}), "completed", {"y": 0.1 * width})
    ...     for width in range(1, 8)
    ... ]
    >>> strategy = WarmStarted(Random(), earlier, recorded=True)
    >>> proposals = strategy.propose(space, history, 9, np.random.default_rng(0))
    >>> sorted(proposal.architecture["width"] for proposal in proposals)
    [8, 9]
    """

    strategy: Strategy
    known: Sequence[Mapping[str, Value] | Trial]
    recorded: bool = field(default=False, kw_only=True)
    _joined: JoinedHistory | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_strategy(self, self.strategy)
        listed = isinstance(self.known, Sequence) and not isinstance(self.known, str)
        for one in self.known if listed else [self.known]:
            if not listed or not isinstance(one, Mapping | Trial):
                msg = (
                    "WarmStarted takes a list of architectures, or of trials such as study.top(10), "
                    f"got {one!r}."
                )
                raise StudyError(msg)
            if self.recorded and not isinstance(one, Trial):
                msg = (
                    f"WarmStarted needs trials for recorded=True, such as study.trials, got {one!r}. "
                    "Pass trials, or leave out recorded=True."
                )
                raise StudyError(msg)

    def capabilities(self) -> StrategyCapabilities:
        """Return the capabilities of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the next known architectures, and then the proposals of the strategy.

        Raises:
            ArchitectureError: If a known architecture does not belong to the space.
            StudyError: If a recorded trial lacks a metric of an objective or a constraint.
        """
        if not self.recorded:
            known = [one.architecture if isinstance(one, Trial) else one for one in self.known]
            proposals = Listed(known).propose(space, history, n, rng)
            return proposals or self.strategy.propose(space, history, n, rng)
        if self._joined is None or self._joined.source is not history:
            trials = [
                replace(one, architecture=space.validate(one.architecture))
                for one in self.known
                if isinstance(one, Trial)
            ]
            self._joined = JoinedHistory(trials, history)
        return self._joined.propose(self.strategy, space, n, rng)
