"""How good a model is: supervised training, kept weights, export."""

from retia.evaluate.export import export
from retia.evaluate.supervised import Classification, Regression, Supervised
from retia.evaluate.weights import save_weights

__all__ = ["Classification", "Regression", "Supervised", "export", "save_weights"]
