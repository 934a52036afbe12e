"""The tree-structured Parzen estimator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace, Value
from retia.strategy.asking import ask_for_unseen
from retia.strategy.columns import Columns
from retia.strategy.extras import check_installed
from retia.strategy.random import Random
from retia.trial import History, Proposal

__all__ = ["TPE"]

SEEDS = 2**31


@dataclass(kw_only=True)
class TPE:
    """Model how the good and the other architectures are distributed, and propose what is likely among the good and unlikely among the others.

    The parameters that are active under the same condition are drawn together, from the trials in which all of them were active;
    then those whose conditions the drawn values meet. So the order of conditions is the order of Optuna's define-by-run,
    its multivariate sampling on each step. Serves several objectives, constraints, and running trials (as bad ones).

    Needs the extra `optuna`.

    Args:
        startup: How many trials must have completed; until then architectures are drawn at random.
        candidates: How many draws from the good the best is chosen of.
        memory: How many of the newest trials the models see, beside the best 25: the time for a proposal grows with it.

    Raises:
        SpaceError: If a number is out of its range.
        StudyError: If Optuna is not installed.

    Reference:
        Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011; Watanabe, Tree-Structured Parzen Estimator, 2023;
        for several objectives Ozaki et al., Multiobjective Tree-Structured Parzen Estimator, JAIR 2022. The sampler is Optuna's.
        Deviations: subsets are drawn by item, and repaired; the trials of which some are good are those in which the parameters were
        active; a proposal that is known is asked for again, and then mutated.
    """

    startup: int = 10
    candidates: int = 24
    memory: int = 250
    _past: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if min(self.startup, self.candidates, self.memory) < 1:
            msg = f"TPE needs numbers from one, got startup={self.startup}, candidates={self.candidates}, memory={self.memory}."
            raise SpaceError(msg)
        check_installed("optuna", extra="optuna", by="TPE")

    def propose(self, space: SearchSpace, history: History, n: int, rng: np.random.Generator) -> Sequence[Proposal]:
        """Return `n` new architectures that are promising; random ones until enough trials have completed."""
        if history.count("completed") < self.startup:
            return Random().propose(space, history, n, rng)
        from retia.strategy.optuna_past import Parzen, Past, quiet

        past = self._past
        if past is None or past.columns.space is not space or past.history is not history:
            past = self._past = Past(Columns(space), history, most=self.memory)
        past.follow()

        def ask(proposed: Sequence[Architecture]) -> Architecture:
            sampler = Parzen(n_startup_trials=0, n_ei_candidates=self.candidates, seed=int(rng.integers(SEEDS)))
            values: dict[str, Value] = {}
            for condition, labels in past.columns.groups.items():
                if condition.holds(values):
                    names = [column.name for label in labels for column in past.columns.of[label]]
                    row = past.sample(sampler, names, proposed)
                    values.update((label, past.columns.value(label, row, rng)) for label in labels)
            return Architecture({label: values[label] for label in space.parameters if label in values})

        with quiet():
            return ask_for_unseen(space, history, n, rng, ask)
