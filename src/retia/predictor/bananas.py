"""BANANAS: Bayesian optimization with neural architectures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.predictor.neural_ensemble import NeuralEnsemble
from retia.space import SearchSpace
from retia.strategy import Predictor, PredictorGuided, check_predictor, check_whole
from retia.trial import History, Proposal

__all__ = ["BANANAS"]


@dataclass
class BANANAS:
    """Evaluate, of a hundred mutants of the best trial, those that an ensemble of neural networks on path
    encodings likes best, by Thompson sampling.

    The paper's own defaults. On NAS-Bench-201 `PredictorGuided(GaussianProcess())` finds the best cell with
    fewer trials, and proposes quicker.

    Args:
        predictor: What learns the losses.
        initial: How many random trials come first.
        batch: How many trials come between two fits.
        candidates: How many mutants there are to choose from.
        parents: How many of the best trials are mutated.

    Raises:
        SpaceError: If an argument is out of its range.
        StudyError: If the predictor is none.

    Reference:
        White et al., BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search,
        AAAI 2021, algorithm 1 and section 5. Deviations: the candidates are drawn anew for each proposal, and
        not for each batch; a mutant that has been evaluated is mutated again; all paths are encoded, and not
        only the short ones (`Paths(longest=...)`); the losses are standardized; after 200 batches a fit comes
        after every two-hundredth of the trials; several objectives (see `PredictorGuided`).
    """

    predictor: Predictor = field(default_factory=NeuralEnsemble)
    initial: int = field(default=10, kw_only=True)
    batch: int = field(default=10, kw_only=True)
    candidates: int = field(default=100, kw_only=True)
    parents: int = field(default=1, kw_only=True)
    _guided: PredictorGuided = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, initial=1, batch=1, candidates=1, parents=1)
        check_predictor(self, self.predictor)
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
        """Return the `n` mutants with the least sampled losses; random architectures until there are
        `initial` trials.
        """
        return self._guided.propose(space, history, n, rng)
