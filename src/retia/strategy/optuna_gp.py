"""Bayesian optimization with Optuna's Gaussian process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from retia.space import Architecture
from retia.strategy.optuna.search import SEEDS, OptunaSearch

if TYPE_CHECKING:
    from retia.strategy.optuna.history import OptunaHistory

__all__ = ["OptunaGP"]


@dataclass(kw_only=True)
class OptunaGP(OptunaSearch):
    """Propose the architecture with the greatest log expected improvement under Optuna's Gaussian process.

    An inactive parameter has its default. Supports several objectives (by hypervolume), constraints, and
    running trials. Architectures that were rejected before their evaluation are not fitted.

    Needs the extra `optuna`. It is for a few hundred expensive trials: at 2,000 trials a proposal takes 0.2 s
    with six categorical parameters and up to 3 s with 34 parameters. `PredictorGuided(GaussianProcess())`
    takes 8 and 16 ms.

    Args:
        startup: Number of completed trials until which architectures are drawn at random.
        memory: Number of the newest trials that are fitted, besides the best 25. On NAS-Bench-201 75 are as
            good as 200 (regret 0.003 and 0.040 after 150 trials, 20 seeds), in less than half of the time.

    Raises:
        SpaceError: If an argument is below 1.
        StudyError: If Optuna is not installed.

    Reference:
        Jones et al., Efficient Global Optimization of Expensive Black-Box Functions, 1998; Ament et al.,
        Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023. The sampler
        is Optuna's: a Matern kernel of 2.5, with a length scale for each column. Deviations: not all trials
        are fitted; subsets are columns of items, and repaired; for a seen proposal another one is sampled,
        and then it is mutated.
    """

    startup: int = 10
    memory: int = 75
    _imputes: ClassVar[bool] = True

    def _ask(
        self, past: "OptunaHistory", proposed: Sequence[Architecture], rng: np.random.Generator
    ) -> Architecture:
        from optuna.samplers import GPSampler

        sampler = GPSampler(n_startup_trials=0, seed=int(rng.integers(SEEDS)))
        return past.flat.architecture(past.sample(sampler, past.distributions, proposed), rng)
