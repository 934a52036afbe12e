"""Which architecture to try next."""

from retia.strategy.grid_search import GridSearch
from retia.strategy.listed import Listed
from retia.strategy.local_search import LocalSearch
from retia.strategy.protocol import Prepared, Strategy
from retia.strategy.random import Random
from retia.strategy.regularized_evolution import RegularizedEvolution
from retia.strategy.unseen import sample_unseen

__all__ = ["GridSearch", "Listed", "LocalSearch", "Prepared", "Random", "RegularizedEvolution", "Strategy", "sample_unseen"]
