"""Architectures as numbers, for predictors and for distances."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from retia.space.categorical import Categorical
from retia.space.parameter import Parameter
from retia.space.value import Value

__all__ = ["distance", "encode", "feature_labels"]


def encode(parameters: Iterable[Parameter], architecture: Mapping[str, Value]) -> NDArray[np.float64]:
    """Return the architecture as numbers in [0, 1], shape (F,), distinct for distinct architectures."""
    features: list[float] = []
    for parameter in parameters:
        active = parameter.label in architecture
        features += (
            parameter.domain.encode(architecture[parameter.label])
            if active
            else [0.0] * parameter.domain.width
        )
        if _flagged(parameter):
            features.append(float(active))
    return np.array(features, dtype=np.float64)


def feature_labels(parameters: Iterable[Parameter]) -> list[str]:
    """Return the label of each feature of `encode`."""
    return [
        parameter.label
        for parameter in parameters
        for _ in range(parameter.domain.width + _flagged(parameter))
    ]


def distance(parameters: Iterable[Parameter], a: Mapping[str, Value], b: Mapping[str, Value]) -> float:
    """Return the sum of the parameters' distances, each at most 1; one that only `a` or `b` has counts 1."""
    total = 0.0
    for parameter in parameters:
        label = parameter.label
        if label in a and label in b:
            total += parameter.domain.distance(a[label], b[label])
        elif label in a or label in b:
            total += 1.0
    return total


def _flagged(parameter: Parameter) -> bool:
    """Return whether an extra feature says that the parameter is active, as its value may be all zeros."""
    return not parameter.condition.always and not isinstance(parameter.domain, Categorical)
