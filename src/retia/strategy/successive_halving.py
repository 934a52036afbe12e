"""Successive halving."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from retia.space import SearchSpace
from retia.strategy.multi_fidelity.bracket_search import BracketSearch
from retia.strategy.multi_fidelity.brackets import Bracket, halving
from retia.strategy.multi_fidelity.fidelities import rung_fidelities
from retia.strategy.requirements import require_whole

__all__ = ["SuccessiveHalving"]


@dataclass
class SuccessiveHalving(BracketSearch):
    """Evaluate architectures at the lowest fidelity, promote the best 1/eta to the next, and so on; repeat.

    Each rung waits until the rung below has ended; with several workers `ASHA` idles less. A promoted trial
    has the lower one as its parent, so that an evaluator can continue its training. The wrapped strategy sees
    the trials of the lowest rung only. A checkpoint is removed when its trial has been promoted, or when the
    rung has ended without that. Every trial counts, at any fidelity.

    Args:
        strategy: Strategy that proposes new architectures.
        fidelities: Fidelities of the rungs, increasing, in the unit of the evaluator (epochs). Trials at the
            last have the fidelity None, like those of strategies without fidelities.
        eta: The best 1/eta of a rung is promoted. Default: the factor by which the fidelities grow, so that
            all rungs cost about the same.
        entries: Number of architectures in the lowest rung. Default: as many as leave one in the last rung.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes, or sets fidelities itself.
        SpaceError: If `fidelities` are not at least two increasing positive numbers, `eta` is not above 1, or
            `entries` is below 1.

    Reference:
        Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization,
        AISTATS 2016, in the form of Li et al., Hyperband, JMLR 2018, algorithm 1, lines 4 to 9. Deviations:
        any strategy proposes the architectures; fidelities need not grow by eta; a failed trial is not
        replaced; if the space is exhausted the bracket continues with fewer architectures.
    """

    entries: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.entries is not None:
            require_whole(self, entries=1)

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        """The only bracket, which is repeated."""
        entries = self.entries or math.ceil(self._factor ** (len(self.fidelities) - 1) - 1e-9)
        return (halving(entries, rung_fidelities(self.fidelities), self._factor),)

    def _learnt_from(self, space: SearchSpace, evaluated: Mapping[float | None, int]) -> float:
        return self.fidelities[0]
