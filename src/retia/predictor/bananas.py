"""BANANAS: Bayesian optimization with neural architectures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.predictor.neural_ensemble import NeuralEnsemble
from retia.space import SearchSpace
from retia.strategy import Predictor, PredictorGuided, require_predictor, require_whole
from retia.trial import History, Proposal

__all__ = ["BANANAS"]


@dataclass
class BANANAS:
    """Propose mutants of the best trial by Thompson sampling from an ensemble of networks on path encodings.

    The defaults are those of the paper. On NAS-Bench-201 `PredictorGuided(GaussianProcess())` finds the best
    cell with fewer trials, and its proposals take less time.

    Args:
        predictor: Predictor of losses. Default: `NeuralEnsemble()`.
        initial: Number of random trials before the first fit. Default 10.
        batch: Number of trials between two fits. Default 10.
        candidates: Number of mutants among which proposals are chosen. Default 100.
        parents: Number of best trials that are mutated. Default 1.

    Raises:
        SpaceError: If an argument is out of its range.
        StudyError: If `predictor` is not a predictor.

    Reference:
        White et al., BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search,
        AAAI 2021, algorithm 1 and section 5. Deviations: new candidates for each proposal instead of each
        batch; a seen mutant is mutated again; all paths are encoded (`Paths(longest=...)` truncates); the
        losses are standardized; after N > 200 `batch` trials there are N / 200 trials between two fits;
        several objectives (see `PredictorGuided`).
    """

    predictor: Predictor = field(default_factory=NeuralEnsemble)
    initial: int = field(default=10, kw_only=True)
    batch: int = field(default=10, kw_only=True)
    candidates: int = field(default=100, kw_only=True)
    parents: int = field(default=1, kw_only=True)
    _guided: PredictorGuided = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_whole(self, initial=1, batch=1, candidates=1, parents=1)
        require_predictor(self, self.predictor)
        self._guided = PredictorGuided(
            self.predictor,
            acquisition="thompson",
            initial=self.initial,
            refit=self.batch,
            mutants=self.candidates,
            randoms=0,
            parents=self.parents,
            warp=False,
        )

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the `n` mutants with the least sampled losses; random architectures in the beginning."""
        return self._guided.propose(space, history, n, rng)
