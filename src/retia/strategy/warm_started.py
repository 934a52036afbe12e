"""A strategy that begins with known architectures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retia.errors import StudyError
from retia.space import SearchSpace, Value
from retia.strategy.listed import Listed
from retia.strategy.protocol import Strategy
from retia.strategy.recalled_history import RecalledHistory
from retia.strategy.wrapping import check_wrapped
from retia.trial import History, Proposal, StrategyCapabilities, Trial, strategy_capabilities_of

__all__ = ["WarmStarted"]


@dataclass
class WarmStarted:
    """Begin with what is known: propose known architectures first, or show a strategy results that are
    recorded already.

    An earlier study is known by its best: `WarmStarted(TPE(), Study.open("first.db").top(10))`. They are
    evaluated anew, for another evaluator, data set or budget gives another score, and trials of several
    scores in one history would mislead whatever learns from it.

    Where the scores are the same, `WarmStarted(TPE(), Study.open("first.db").trials, recorded=True)`
    evaluates nothing again: the strategy sees the trials of the earlier study before those of this one, as if
    it had made them. So it learns from them, and does not propose them; they are no trials of this study,
    whose `best` is among its own. Give the best of the earlier one as the `baseline`, to have it beside the
    others.

    Args:
        strategy: What proposes once the known architectures have been.
        known: Architectures, or trials that have them, in the order in which to propose them.
        recorded: Whether the strategy is shown the results of `known`, which are trials then, instead. Of
            these the completed and the infeasible count.

    Raises:
        StudyError: If `strategy` is none, or prepares something before it proposes; if `known` is no list of
            architectures and trials, or results are to be shown of what is no trial.

    >>> from retia.space import Integer
    >>> from retia.strategy import Random
    >>> from retia.trial import Objective
    >>> strategy = WarmStarted(Random(), [{"width": 9}])
    >>> space, history = SearchSpace({"width": Integer(1, 9)}), History((Objective("y", "maximize"),))
    >>> proposals = strategy.propose(space, history, 1, np.random.default_rng(0))
    >>> [proposal.architecture["width"] for proposal in proposals]
    [9]

    What is recorded is not proposed again:

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
    _recalled: RecalledHistory | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_wrapped(self, self.strategy)
        known: Any = self.known
        listed = isinstance(known, Sequence) and not isinstance(known, str)
        odd = (
            next((one for one in self.known if not isinstance(one, Mapping | Trial)), None)
            if listed
            else known
        )
        if odd is not None:
            msg = (
                f"WarmStarted takes a list of architectures, or of trials such as study.top(10), got {odd!r}."
            )
            raise StudyError(msg)
        if (
            self.recorded
            and (foreign := next((one for one in self.known if not isinstance(one, Trial)), None)) is not None
        ):
            msg = (
                f"WarmStarted shows recorded results of trials, such as study.trials, got {foreign!r}. "
                "Give trials, or leave out recorded=True."
            )
            raise StudyError(msg)

    def capabilities(self) -> StrategyCapabilities:
        """Return those of the wrapped strategy."""
        return replace(strategy_capabilities_of(self.strategy), wraps=self.strategy)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the next known architectures, when these have been proposed what the strategy proposes; of
        recorded ones that at once.

        Raises:
            ArchitectureError: If a known architecture is not of the space.
            StudyError: If a recorded trial lacks a metric that this study needs.
        """
        if not self.recorded:
            known = [one.architecture if isinstance(one, Trial) else one for one in self.known]
            return Listed(known).propose(space, history, n, rng) or self.strategy.propose(
                space, history, n, rng
            )
        if self._recalled is None or self._recalled.source is not history:
            trials = [
                replace(one, architecture=space.validate(one.architecture))
                for one in self.known
                if isinstance(one, Trial)
            ]
            self._recalled = RecalledHistory(trials, history)
        return self._recalled.propose(self.strategy, space, n, rng)
