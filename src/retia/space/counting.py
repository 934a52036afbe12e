"""The number of architectures of a conditional space without enumeration, and uniform draws from it.

The undecided parameters form a problem. It splits into components that share no condition, and its number of
architectures is the product of theirs. A component is counted by deciding its first parameter. Values that
meet the same conditions count alike, so they are grouped. Equal components are counted once.
"""

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import TypeAlias

import numpy as np

from retia.space.architecture import Architecture
from retia.space.domain import Domain
from retia.space.integer import Integer
from retia.space.parameter import Parameter
from retia.space.problem import Problem, components, decide, whole_problem
from retia.space.value import Value

__all__ = ["Counting"]

Group: TypeAlias = tuple[list[Value], int]
"""Some of the values that meet the same conditions, and the number of such values."""


class Counting:
    """Counter of the architectures of finite parameters, given in order."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = list(parameters)
        self._counted: dict[Problem, int] = {}

    def size(self) -> int:
        """Return the number of architectures."""
        return self._count(self._whole)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture, each with the same probability."""
        problem, values = self._whole, dict[str, Value]()
        while problem:
            (index, _), rest = problem[0], problem[1:]
            groups = self._groups(index, rest)
            after = [decide(rest, index, members[0]) for members, _ in groups]
            weights = [
                count * self._count(problem) for (_, count), problem in zip(groups, after, strict=True)
            ]
            chosen = _pick(weights, rng)
            values[self._parameters[index].label] = self._draw(index, groups, chosen, rng)
            problem = after[chosen]
        return Architecture.trusted(values)

    @cached_property
    def _whole(self) -> Problem:
        return whole_problem(self._parameters)

    def _count(self, problem: Problem) -> int:
        return prod(self._count_component(component) for component in components(problem))

    def _count_component(self, component: Problem) -> int:
        (index, _), rest = component[0], component[1:]
        if not rest:
            return int(self._parameters[index].domain.size)
        if component not in self._counted:
            groups = self._groups(index, rest)
            self._counted[component] = sum(
                count * self._count(decide(rest, index, members[0])) for members, count in groups
            )
        return self._counted[component]

    def _groups(self, index: int, rest: Problem) -> list[Group]:
        """Group the parameter's values by the undecided conditions that they meet."""
        asked = list(
            {values for _, alternatives in rest for row in alternatives for i, values in row if i == index}
        )
        domain = self._parameters[index].domain
        if not asked:
            return [([domain.default], int(domain.size))]
        named = sorted(frozenset[Value]().union(*asked), key=repr)
        groups: dict[tuple[bool, ...], list[Value]] = {}
        for value in named:
            groups.setdefault(tuple(value in values for values in asked), []).append(value)
        split: list[Group] = [(members, len(members)) for members in groups.values()]
        if others := int(domain.size) - len(named):
            split.append(([next(value for value in domain.enumerate() if value not in named)], others))
        return split

    def _draw(self, index: int, groups: list[Group], chosen: int, rng: np.random.Generator) -> Value:
        members, count = groups[chosen]
        if len(members) == count:
            return members[int(rng.integers(count))]
        named = {value for other, (values, _) in enumerate(groups) if other != chosen for value in values}
        values = _values(self._parameters[index].domain)
        while (value := values[int(rng.integers(len(values)))]) in named:
            pass
        return value


def _values(domain: Domain) -> Sequence[Value]:
    """Return the values of a finite domain, as a range where possible."""
    return (
        range(domain.low, domain.high + 1, domain.step)
        if isinstance(domain, Integer)
        else list(domain.enumerate())
    )


def _pick(weights: Sequence[int], rng: np.random.Generator) -> int:
    """Draw an index with the given integer weights; exact for weights of any size."""
    total = sum(weights)
    bits = total.bit_length()
    while (drawn := int.from_bytes(rng.bytes((bits + 7) // 8), "little") & ((1 << bits) - 1)) >= total:
        pass
    for i, weight in enumerate(weights):
        if drawn < weight:
            return i
        drawn -= weight
    raise AssertionError
