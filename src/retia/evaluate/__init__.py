"""How good a model is: supervised training, zero-cost proxies, kept and inherited weights, export."""

from retia.evaluate.checkpoint import load_checkpoint, save_checkpoint
from retia.evaluate.classification import Classification
from retia.evaluate.data import LoadedData, TensorData, as_data
from retia.evaluate.export import export
from retia.evaluate.going_on import load_optimizer
from retia.evaluate.inheritance import Inheritance, inherit
from retia.evaluate.proxies import PROXIES, Probe, Proxy
from retia.evaluate.regression import Regression
from retia.evaluate.supervised import Supervised
from retia.evaluate.teaching import Teaching, Trainable
from retia.evaluate.weights import save_weights
from retia.evaluate.zero_cost import ZeroCost

__all__ = [
    "PROXIES",
    "Classification",
    "Inheritance",
    "LoadedData",
    "Probe",
    "Proxy",
    "Regression",
    "Supervised",
    "Teaching",
    "TensorData",
    "Trainable",
    "ZeroCost",
    "as_data",
    "export",
    "inherit",
    "load_checkpoint",
    "load_optimizer",
    "save_checkpoint",
    "save_weights",
]
