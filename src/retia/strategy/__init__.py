"""Which architecture to try next."""

from retia.strategy.acquisition import normal_scores
from retia.strategy.asha import ASHA
from retia.strategy.bohb import BOHB, ParzenModel
from retia.strategy.cma_es import CMAES
from retia.strategy.fallback import Fallback
from retia.strategy.fidelities import geometric_fidelities
from retia.strategy.filtered import Filtered
from retia.strategy.gp import GP
from retia.strategy.grid_search import GridSearch
from retia.strategy.hyperband import Hyperband
from retia.strategy.listed import Listed
from retia.strategy.local_search import LocalSearch
from retia.strategy.median_stop import MedianStop
from retia.strategy.network_morphism import NetworkMorphism
from retia.strategy.nsga2 import NSGA2
from retia.strategy.predictor_guided import (
    FittedPredictor,
    Predictor,
    PredictorGuided,
    check_predictor,
    targets_of,
)
from retia.strategy.prior import Prior, Weights
from retia.strategy.protocol import Strategy
from retia.strategy.random import Random
from retia.strategy.regularized_evolution import RegularizedEvolution
from retia.strategy.screened import Screened
from retia.strategy.settings import check_number, check_whole
from retia.strategy.successive_halving import SuccessiveHalving
from retia.strategy.tpe import TPE
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.strategy.warm_started import WarmStarted

__all__ = [
    "ASHA",
    "BOHB",
    "CMAES",
    "GP",
    "NSGA2",
    "TPE",
    "AnyOf",
    "Fallback",
    "Filtered",
    "FittedPredictor",
    "GridSearch",
    "Hyperband",
    "Listed",
    "LocalSearch",
    "MedianStop",
    "NetworkMorphism",
    "ParzenModel",
    "Predictor",
    "PredictorGuided",
    "Prior",
    "Random",
    "RegularizedEvolution",
    "Screened",
    "Strategy",
    "SuccessiveHalving",
    "WarmStarted",
    "Weights",
    "check_number",
    "check_predictor",
    "check_whole",
    "geometric_fidelities",
    "normal_scores",
    "sample_unseen",
    "targets_of",
]
