"""Learnt predictors and policies, and the strategies that use them."""

from retia.predictor.bananas import BANANAS
from retia.predictor.encoding import Encoder, Encoding, OneHot, Paths, WeisfeilerLehman
from retia.predictor.gaussian_process import GaussianProcess
from retia.predictor.gradient_boosting import GradientBoosting
from retia.predictor.graphs.cell_graph import CellGraph, GraphOf, cell_graph
from retia.predictor.graphs.labelled_graph import LabelledGraph
from retia.predictor.neural_ensemble import NeuralEnsemble
from retia.predictor.ppo import PPO
from retia.predictor.random_forest import RandomForest
from retia.predictor.reinforce import Reinforce
from retia.predictor.scoring import Score, cross_validate, score
from retia.strategy import FittedPredictor, Predictor

__all__ = [
    "BANANAS",
    "PPO",
    "CellGraph",
    "Encoder",
    "Encoding",
    "FittedPredictor",
    "GaussianProcess",
    "GradientBoosting",
    "GraphOf",
    "LabelledGraph",
    "NeuralEnsemble",
    "OneHot",
    "Paths",
    "Predictor",
    "RandomForest",
    "Reinforce",
    "Score",
    "WeisfeilerLehman",
    "cell_graph",
    "cross_validate",
    "score",
]
