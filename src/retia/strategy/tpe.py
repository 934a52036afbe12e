"""The tree-structured Parzen estimator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from retia.space import Architecture, Value
from retia.strategy.optuna.search import SEEDS, OptunaSearch
from retia.strategy.requirements import require_whole

if TYPE_CHECKING:
    from retia.strategy.optuna.history import OptunaHistory

__all__ = ["TPE"]


@dataclass(kw_only=True)
class TPE(OptunaSearch):
    """Propose architectures with a high ratio of densities, l(x) / g(x), of good and other trials.

    The sampler is Optuna's. Parameters with the same condition are sampled jointly, from the trials in which
    they are active; then those whose conditions the sampled values meet, and so on. Supports several
    objectives, constraints, and running trials, which count as bad ones.

    Needs the extra `optuna`.

    Args:
        startup: Number of completed trials until which architectures are drawn at random.
        memory: Number of the newest trials that the model sees, besides the best 25. The time for a proposal
            grows with it, and with the number of conditions.
        candidates: Number of draws from l, of which the one with the highest ratio is proposed.

    Raises:
        SpaceError: If an argument is below 1.
        StudyError: If Optuna is not installed.

    Reference:
        Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011; Watanabe, Tree-Structured
        Parzen Estimator, 2023; for several objectives Ozaki et al., Multiobjective Tree-Structured Parzen
        Estimator, JAIR 2022. Deviations: subsets are sampled item by item, and repaired; l and g are fitted
        to the trials in which the parameters are active; for a seen proposal another one is sampled, and then
        it is mutated.
    """

    startup: int = 10
    memory: int = 250
    candidates: int = 24
    _imputes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, candidates=1)

    def _ask(
        self, past: "OptunaHistory", proposed: Sequence[Architecture], rng: np.random.Generator
    ) -> Architecture:
        from retia.strategy.optuna.history import Parzen

        sampler = Parzen(n_startup_trials=0, n_ei_candidates=self.candidates, seed=int(rng.integers(SEEDS)))
        flat, values = past.flat, dict[str, Value]()
        for condition, labels in flat.groups.items():
            if condition.holds(values):
                names = [column.name for label in labels for column in flat.columns_of[label]]
                row = past.sample(sampler, names, proposed)
                values.update((label, flat.value(label, row, rng)) for label in labels)
        return Architecture({label: values[label] for label in flat.space.parameters if label in values})
