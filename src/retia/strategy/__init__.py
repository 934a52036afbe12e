"""Strategies: which architecture to try next."""

from retia.strategy.asha import ASHA
from retia.strategy.bohb import BOHB
from retia.strategy.cma_es import CMAES
from retia.strategy.fallback import Fallback
from retia.strategy.filtered import Filtered
from retia.strategy.grid_search import GridSearch
from retia.strategy.hyperband import Hyperband
from retia.strategy.listed import Listed
from retia.strategy.local_search import LocalSearch
from retia.strategy.median_stop import MedianStop
from retia.strategy.multi_fidelity.fidelities import geometric_fidelities
from retia.strategy.network_morphism import NetworkMorphism
from retia.strategy.nsga2 import NSGA2
from retia.strategy.optuna_gp import OptunaGP
from retia.strategy.predictor_guided import PredictorGuided
from retia.strategy.prior import Prior, Weights
from retia.strategy.protocol import Strategy
from retia.strategy.random import Random
from retia.strategy.regularized_evolution import RegularizedEvolution
from retia.strategy.requirements import require_number, require_whole
from retia.strategy.sampling.parzen_model import ParzenModel
from retia.strategy.sampling.unseen import sample_unseen, unseen_mutant, unseen_proposals
from retia.strategy.screened import Screened
from retia.strategy.successive_halving import SuccessiveHalving
from retia.strategy.surrogate.predictor import FittedPredictor, Predictor, require_predictor
from retia.strategy.surrogate.targets import normal_scores, targets_of
from retia.strategy.tpe import TPE
from retia.strategy.warm_started import WarmStarted

__all__ = [
    "ASHA",
    "BOHB",
    "CMAES",
    "NSGA2",
    "TPE",
    "Fallback",
    "Filtered",
    "FittedPredictor",
    "GridSearch",
    "Hyperband",
    "Listed",
    "LocalSearch",
    "MedianStop",
    "NetworkMorphism",
    "OptunaGP",
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
    "geometric_fidelities",
    "normal_scores",
    "require_number",
    "require_predictor",
    "require_whole",
    "sample_unseen",
    "targets_of",
    "unseen_mutant",
    "unseen_proposals",
]
