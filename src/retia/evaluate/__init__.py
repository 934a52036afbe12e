"""How good a model is: supervised training, kept weights, export."""

from retia.evaluate.data import LoadedData, TensorData, as_data
from retia.evaluate.export import export
from retia.evaluate.supervised import Classification, Regression, Supervised
from retia.evaluate.teaching import Teaching, Trainable
from retia.evaluate.weights import save_weights

__all__ = ["Classification", "LoadedData", "Regression", "Supervised", "Teaching", "TensorData", "Trainable", "as_data", "export", "save_weights"]
