"""Hyperband."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from retia.space import SearchSpace
from retia.strategy.multi_fidelity.bracket_search import BracketSearch
from retia.strategy.multi_fidelity.brackets import Bracket, halving
from retia.strategy.multi_fidelity.fidelities import rung_fidelities
from retia.strategy.requirements import require_whole

__all__ = ["Hyperband"]


@dataclass
class Hyperband(BracketSearch):
    """Repeat successive halving from higher and higher fidelities, in case low fidelities mislead.

    The first bracket begins at the lowest fidelity. The last evaluates a few architectures at the highest
    only; then the first bracket is repeated. All brackets cost about the same. Rungs, parents and checkpoints
    are those of `SuccessiveHalving`. Every trial counts, at any fidelity.

    Metrics at different fidelities are not comparable, so the wrapped strategy sees one fidelity only: the
    highest with enough evaluated trials.

    Args:
        strategy: Strategy that proposes new architectures.
        fidelities: Fidelities of the rungs, increasing, in the unit of the evaluator (epochs). Trials at the
            last have the fidelity None, like those of strategies without fidelities.
        eta: The best 1/eta of a rung is promoted. Default: the factor by which the fidelities grow, so that
            all rungs cost about the same.
        enough: Number of evaluated trials from which on the strategy sees a fidelity. Default: the number of
            parameters + 3.

    Raises:
        StudyError: If `strategy` is not a strategy that only proposes, or sets fidelities itself.
        SpaceError: If `fidelities` are not at least two increasing positive numbers, `eta` is not above 1, or
            `enough` is below 1.

    Reference:
        Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 2018,
        algorithm 1. The fidelity that the strategy sees is that of Falkner et al., BOHB, ICML 2018, algorithm
        2, line 3. Deviations: those of `SuccessiveHalving`.

    >>> from retia.strategy import Random
    >>> for bracket in Hyperband(Random(), fidelities=(1, 3, 9)).brackets:
    ...     print(bracket)
    Bracket(sizes=(9, 3, 1), fidelities=(1, 3, None))
    Bracket(sizes=(5, 1), fidelities=(3, None))
    Bracket(sizes=(3,), fidelities=(None,))
    """

    enough: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.enough is not None:
            require_whole(self, enough=1)

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        """The brackets of one round."""
        fidelities, eta = rung_fidelities(self.fidelities), self._factor
        count = len(fidelities)
        return tuple(
            halving(math.ceil(count / (s + 1) * eta**s - 1e-9), fidelities[count - 1 - s :], eta)
            for s in range(count - 1, -1, -1)
        )

    def _learnt_from(self, space: SearchSpace, evaluated: Mapping[float | None, int]) -> float | None:
        enough = len(space.parameters) + 3 if self.enough is None else self.enough
        fidelities = rung_fidelities(self.fidelities)
        return next((one for one in reversed(fidelities) if evaluated[one] >= enough), fidelities[0])
