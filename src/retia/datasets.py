"""Small real data sets that ship with scikit-learn."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from retia.errors import EvaluationError

__all__ = ["Split", "diabetes", "digits"]

Pair: TypeAlias = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Split:
    """A training, a validation and a test set, each as (x, y)."""

    train: Pair
    valid: Pair
    test: Pair


def digits(*, valid: float = 0.2, test: float = 0.2, seed: int = 0) -> Split:
    """Return the 1,797 handwritten digits of the UCI repository, split with equal shares of each digit.

    The images x are of shape (N, 1, 8, 8) with values in [0, 1]; the classes y are of shape (N,).

    Args:
        valid: Share of the validation set, between 0 and 1. Default 0.2.
        test: Share of the test set, between 0 and 1. Default 0.2.
        seed: Seed of the split.

    Raises:
        EvaluationError: If `valid` or `test` is not positive, or they leave no training data.
    """
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    x = torch.tensor(data.images / 16.0, dtype=torch.float32).unsqueeze(1)
    y = torch.tensor(data.target, dtype=torch.int64)
    return _split(x, y, valid=valid, test=test, seed=seed, stratify=data.target)


def diabetes(*, valid: float = 0.2, test: float = 0.2, seed: int = 0) -> Split:
    """Return 442 diabetes patients, split at random.

    The features x are of shape (N, 10); the progression of the disease after a year, y, is of shape (N, 1).
    Both are standardized.

    Args:
        valid: Share of the validation set, between 0 and 1. Default 0.2.
        test: Share of the test set, between 0 and 1. Default 0.2.
        seed: Seed of the split.

    Raises:
        EvaluationError: If `valid` or `test` is not positive, or they leave no training data.
    """
    from sklearn.datasets import load_diabetes

    data: Any = load_diabetes(scaled=False)
    x, y = (
        torch.tensor((part - part.mean(0)) / part.std(0), dtype=torch.float32)
        for part in (data.data, data.target)
    )
    return _split(x, y.unsqueeze(1), valid=valid, test=test, seed=seed, stratify=None)


def _split(x: Tensor, y: Tensor, *, valid: float, test: float, seed: int, stratify: Any) -> Split:
    from sklearn.model_selection import train_test_split

    if not (valid > 0 and test > 0 and valid + test < 1):
        msg = (
            "The shares of validation and test data must be positive and their sum less than 1, "
            f"got valid={valid}, test={test}. Give smaller shares."
        )
        raise EvaluationError(msg)
    rest, held = train_test_split(np.arange(len(x)), test_size=test, random_state=seed, stratify=stratify)
    inner = None if stratify is None else stratify[rest]
    train, judged = train_test_split(rest, test_size=valid / (1 - test), random_state=seed, stratify=inner)
    return Split(*((x[torch.as_tensor(index)], y[torch.as_tensor(index)]) for index in (train, judged, held)))
