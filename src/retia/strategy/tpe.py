"""The tree-structured Parzen estimator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from retia.space import Architecture, Value
from retia.strategy.optuna_search import OptunaSearch
from retia.strategy.settings import check_whole

if TYPE_CHECKING:
    from retia.strategy.optuna_past import Past

__all__ = ["TPE"]

SEEDS = 2**31


@dataclass(kw_only=True)
class TPE(OptunaSearch):
    """Model how the good and the other architectures are distributed, and propose what is likely among the
    good and unlikely among the others.

    The parameters that are active under the same condition are drawn together, from the trials in which all
    of them were active; then those whose conditions the drawn values meet. So the order of conditions is the
    order of Optuna's define-by-run, its multivariate sampling on each step. Serves several objectives,
    constraints, and running trials (as bad ones).

    Needs the extra `optuna`.

    Args:
        startup: How many trials must have completed; until then architectures are drawn at random.
        memory: How many of the newest trials the models see, beside the best 25: the time for a proposal
            grows with it, and with the conditions.
        candidates: How many draws from the good the best is chosen of.

    Raises:
        SpaceError: If a number is out of its range.
        StudyError: If Optuna is not installed.

    Reference:
        Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011; Watanabe, Tree-Structured
        Parzen Estimator, 2023; for several objectives Ozaki et al., Multiobjective Tree-Structured Parzen
        Estimator, JAIR 2022. The sampler is Optuna's.
        Deviations: subsets are drawn by item, and repaired; the trials of which some are good are those in
        which the parameters were active; a proposal that is known is asked for again, and then mutated.
    """

    startup: int = 10
    memory: int = 250
    candidates: int = 24
    _imputes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, candidates=1)

    def _ask(self, past: "Past", proposed: Sequence[Architecture], rng: np.random.Generator) -> Architecture:
        from retia.strategy.optuna_past import Parzen

        sampler = Parzen(n_startup_trials=0, n_ei_candidates=self.candidates, seed=int(rng.integers(SEEDS)))
        values: dict[str, Value] = {}
        for condition, labels in past.columns.groups.items():
            if condition.holds(values):
                names = [column.name for label in labels for column in past.columns.of[label]]
                row = past.sample(sampler, names, proposed)
                values.update((label, past.columns.value(label, row, rng)) for label in labels)
        return Architecture(
            {label: values[label] for label in past.columns.space.parameters if label in values}
        )
