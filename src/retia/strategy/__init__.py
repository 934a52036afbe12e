"""Which architecture to try next."""

from retia.strategy.cma_es import CMAES
from retia.strategy.fallback import Fallback
from retia.strategy.filtered import Filtered
from retia.strategy.gp import GP
from retia.strategy.grid_search import GridSearch
from retia.strategy.listed import Listed
from retia.strategy.local_search import LocalSearch
from retia.strategy.nsga2 import NSGA2
from retia.strategy.prior import Prior, Weights
from retia.strategy.protocol import Prepared, Strategy
from retia.strategy.random import Random
from retia.strategy.regularized_evolution import RegularizedEvolution
from retia.strategy.screened import Screened
from retia.strategy.tpe import TPE
from retia.strategy.unseen import sample_unseen
from retia.strategy.warm_started import WarmStarted

__all__ = [
    "CMAES",
    "GP",
    "NSGA2",
    "TPE",
    "Fallback",
    "Filtered",
    "GridSearch",
    "Listed",
    "LocalSearch",
    "Prepared",
    "Prior",
    "Random",
    "RegularizedEvolution",
    "Screened",
    "Strategy",
    "WarmStarted",
    "Weights",
    "sample_unseen",
]
