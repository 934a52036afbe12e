"""Bayesian optimization by a Gaussian process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace
from retia.strategy.asking import ask_for_unseen
from retia.strategy.columns import Columns
from retia.strategy.extras import check_installed
from retia.strategy.random import Random
from retia.trial import History, Proposal

__all__ = ["GP"]

SEEDS = 2**31


@dataclass(kw_only=True)
class GP:
    """Fit a Gaussian process to the trials, and propose what has the greatest logarithm of the expected improvement.

    An inactive parameter has its default for the process. Serves several objectives (by hypervolume), constraints, and running
    trials. It takes no trial that was rejected before it was evaluated, for that has no objective.

    Needs the extra `optuna`. It is for tens to a few hundred trials, each of which costs more than a proposal: with 200 trials
    of six parameters a proposal takes about a third of a second.

    Args:
        startup: How many trials must have completed; until then architectures are drawn at random.
        memory: How many of the newest trials are fitted, beside the best 25: the time for a proposal grows with its cube.

    Raises:
        SpaceError: If a number is below one.
        StudyError: If Optuna is not installed.

    Reference:
        Jones et al., Efficient Global Optimization of Expensive Black-Box Functions, 1998; Ament et al., Unexpected Improvements to
        Expected Improvement for Bayesian Optimization, NeurIPS 2023. The sampler is Optuna's: a Matern kernel of 2.5, with a length
        scale for each column. Deviations: subsets are columns of items, and repaired; a known proposal is asked for again, and then mutated.
    """

    startup: int = 10
    memory: int = 200
    _past: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if min(self.startup, self.memory) < 1:
            msg = f"GP needs at least one trial to start from and to fit, got startup={self.startup}, memory={self.memory}."
            raise SpaceError(msg)
        check_installed("optuna", extra="optuna", by="GP")

    def propose(self, space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> Sequence[Proposal]:
        """Return `n` new architectures that are promising; random ones until enough trials have completed."""
        if history.count("completed") < self.startup:
            return Random().propose(space, history, n, rng)
        from optuna.samplers import GPSampler

        from retia.strategy.optuna_past import Past, quiet

        past = self._past
        if past is None or past.columns.space is not space or past.history is not history:
            past = self._past = Past(Columns(space), history, impute=True, most=self.memory)
        past.follow()

        def ask(proposed: Sequence[Architecture]) -> Architecture:
            sampler = GPSampler(n_startup_trials=0, seed=int(rng.integers(SEEDS)))
            return past.columns.architecture(past.sample(sampler, past.distributions, proposed), rng)

        with quiet():
            return ask_for_unseen(space, history, n, rng, ask)
