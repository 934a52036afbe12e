"""How good a model is: supervised training, zero-cost proxies, kept and inherited weights, export."""

from retia.evaluate.classification import Classification
from retia.evaluate.data import LoadedData, TensorData, as_data
from retia.evaluate.export import export
from retia.evaluate.inheritance import Inheritance, inherit
from retia.evaluate.language_modeling import LanguageModeling
from retia.evaluate.parts import load_optimizer
from retia.evaluate.proxies import PROXIES, Probe, Proxy
from retia.evaluate.recipe import memory_format_of
from retia.evaluate.regression import Regression
from retia.evaluate.trainer import Trainer
from retia.evaluate.training import Training
from retia.evaluate.weights import save_weights
from retia.evaluate.zero_cost import ZeroCost
from retia.nn import load_checkpoint, save_checkpoint

__all__ = [
    "PROXIES",
    "Classification",
    "Inheritance",
    "LanguageModeling",
    "LoadedData",
    "Probe",
    "Proxy",
    "Regression",
    "TensorData",
    "Trainer",
    "Training",
    "ZeroCost",
    "as_data",
    "export",
    "inherit",
    "load_checkpoint",
    "load_optimizer",
    "memory_format_of",
    "save_checkpoint",
    "save_weights",
]
