"""Bayesian optimization and Hyperband."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import SearchSpace
from retia.strategy.hyperband import Hyperband
from retia.strategy.sampling.parzen_model import ParzenModel
from retia.trial import History, Proposal, StrategyCapabilities

__all__ = ["BOHB"]


@dataclass
class BOHB:
    """Run Hyperband with architectures from a density model of the trials at one fidelity.

    The fidelity is the highest with enough evaluated trials. Needs no extra.

    Args:
        fidelities: Fidelities of the rungs, increasing, in the unit of the evaluator (epochs). Trials at the
            last have the fidelity None, like those of strategies without fidelities.
        eta: The best 1/eta of a rung is promoted. Default: the factor by which the fidelities grow, so that
            all rungs cost about the same.
        model: Model that proposes new architectures.

    Raises:
        SpaceError: If `fidelities` are not at least two increasing positive numbers, or `eta` is not above 1.

    Reference:
        Falkner et al., BOHB: Robust and Efficient Hyperparameter Optimization at Scale, ICML 2018, algorithm
        2. Deviations: those of `Hyperband` and `ParzenModel`; with several workers a rung waits for the one
        below (the authors begin the next bracket meanwhile).
    """

    fidelities: Sequence[float] = field(kw_only=True)
    eta: float | None = field(default=None, kw_only=True)
    model: ParzenModel = field(default_factory=ParzenModel, kw_only=True)
    _hyperband: Hyperband = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._hyperband = Hyperband(self.model, fidelities=self.fidelities, eta=self.eta)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` new architectures until the bracket is full, then promotions."""
        return self._hyperband.propose(space, history, n, rng)

    def capabilities(self) -> StrategyCapabilities:
        """Return the fidelities, and the function that finds spent trials."""
        return self._hyperband.capabilities()
