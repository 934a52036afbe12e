"""The parameters of a space in order, and the walks that give each active parameter a value."""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from retia.errors import SpaceError
from retia.space.architecture import Architecture
from retia.space.counting import Counting
from retia.space.encoding import feature_labels
from retia.space.parameter import Parameter, Step, in_order
from retia.space.real import Real
from retia.space.value import Value

__all__ = ["Plan"]


class Plan:
    """The ordered parameters of a space, and everything that follows from them without the restrictions.

    Args:
        parameters: Parameters in any order.

    Attributes:
        parameters: Parameters by label, each after the parameters that its condition refers to.
        steps: Label, parameter and condition (None if the parameter is always active), in that order.

    Raises:
        SpaceError: If labels or conditions contradict each other (see `in_order`).
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = in_order(parameters)
        self.steps: list[Step] = [
            (label, p, None if p.condition.always else p.condition) for label, p in self.parameters.items()
        ]

    @cached_property
    def counting(self) -> Counting:
        """The object that counts the architectures, and draws from them uniformly.

        Raises:
            SpaceError: If a domain is a real interval.
        """
        if any(isinstance(parameter.domain, Real) for parameter in self.parameters.values()):
            msg = (
                "Architectures can't be drawn uniformly from a space with a real interval. "
                "Use uniform='choices', or space.discretize(points)."
            )
            raise SpaceError(msg)
        return Counting(list(self.parameters.values()))

    @cached_property
    def size(self) -> int | float:
        """The number of architectures; infinite if a domain is a real interval."""
        if any(isinstance(parameter.domain, Real) for parameter in self.parameters.values()):
            return math.inf
        return self.counting.size()

    @cached_property
    def movable(self) -> frozenset[str]:
        """The labels of the parameters with at least two values."""
        return frozenset(label for label, parameter in self.parameters.items() if parameter.domain.size > 1)

    @cached_property
    def feature_labels(self) -> list[str]:
        """The label of each feature of an encoded architecture."""
        return feature_labels(self.parameters.values())

    @cached_property
    def _deciding(self) -> frozenset[str]:
        """The labels to which some condition refers."""
        return frozenset[str]().union(*(parameter.condition.labels for parameter in self.parameters.values()))

    def draw(self, rng: np.random.Generator) -> Architecture:
        """Draw each active parameter uniformly from its domain, one after the other."""
        values: dict[str, Value] = {}
        for unit, (label, parameter, condition) in zip(
            rng.random(len(self.steps)).tolist(), self.steps, strict=True
        ):
            if condition is None or condition.holds(values):
                values[label] = parameter.domain.from_unit(unit)
        return Architecture.trusted(values)

    def complete(self, given: Mapping[str, Value], rng: np.random.Generator | None) -> Architecture:
        """Return an architecture with the given values; the rest is sampled, or default if `rng` is None."""
        values: dict[str, Value] = {}
        for label, parameter, condition in self.steps:
            if condition is None or condition.holds(values):
                if label in given:
                    values[label] = given[label]
                else:
                    values[label] = parameter.domain.default if rng is None else parameter.domain.sample(rng)
        return Architecture.trusted(values)

    def change(
        self, architecture: Architecture, rng: np.random.Generator | None, label: str, value: Value
    ) -> Architecture:
        """Return the architecture with another value of one parameter, completed as `complete` does."""
        values = {**architecture.unwrapped, label: value}
        return self.complete(values, rng) if label in self._deciding else Architecture.trusted(values)

    def cross(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a child that takes each parameter from a random parent; what neither has is sampled."""
        mixed: dict[str, Value] = {}
        for unit, (label, _, _) in zip(rng.random(len(self.steps)).tolist(), self.steps, strict=True):
            first, second = (a, b) if unit < 0.5 else (b, a)
            if label in first or label in second:
                mixed[label] = first[label] if label in first else second[label]
        return self.complete(mixed, rng)
