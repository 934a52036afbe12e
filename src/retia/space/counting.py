"""Counting the architectures of a conditional space without listing them, and drawing one uniformly.

The parameters that are not decided yet form a problem. It falls into components that share no condition, and the number
of its architectures is the product of theirs. A component is counted by deciding its first parameter: the values that
switch the same conditions count alike, so they are taken together. Equal components are counted once.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from math import prod
from typing import TypeAlias

import numpy as np

from retia.space.domain import Domain
from retia.space.integer import Integer
from retia.space.parameter import Parameter
from retia.space.value import Value

__all__ = ["Counting"]

Clauses: TypeAlias = tuple[tuple[int, frozenset[Value]], ...]  # all of (parameter, values that it must be in)
Open: TypeAlias = tuple[int, tuple[Clauses, ...]]  # a parameter, and what of its condition is not decided
Problem: TypeAlias = tuple[Open, ...]  # in the order of the space
Group: TypeAlias = tuple[list[Value], int]  # some values that switch the same conditions, and how many there are


class Counting:
    """Counts the architectures of finite parameters, given in order."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = list(parameters)
        self._counted: dict[Problem, int] = {}

    def size(self) -> int:
        """Return the number of architectures."""
        return self._count(self._whole)

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """Draw the values of an architecture, each architecture with the same probability."""
        problem, values = self._whole, dict[str, Value]()
        while problem:
            (index, _), rest = problem[0], problem[1:]
            groups = self._groups(index, rest)
            after = [self._decide(rest, index, members[0]) for members, _ in groups]
            weights = [count * self._count(problem) for (_, count), problem in zip(groups, after, strict=True)]
            chosen = _pick(weights, rng)
            values[self._parameters[index].label] = self._draw(index, groups, chosen, rng)
            problem = after[chosen]
        return values

    @cached_property
    def _whole(self) -> Problem:
        place = {parameter.label: i for i, parameter in enumerate(self._parameters)}
        problem: list[Open] = []
        never: set[int] = set()  # what can't become active, whatever is decided
        for i, parameter in enumerate(self._parameters):
            rows = [tuple((place[clause.label], clause.values) for clause in row) for row in parameter.condition.alternatives]
            met = tuple(row for row in rows if not any(j in never for j, _ in row))
            if met:
                problem.append((i, ((),) if () in met else met))
            else:
                never.add(i)
        return tuple(problem)

    def _count(self, problem: Problem) -> int:
        return prod(self._count_component(component) for component in _components(problem))

    def _count_component(self, component: Problem) -> int:
        (index, _), rest = component[0], component[1:]
        if not rest:
            return int(self._parameters[index].domain.size)
        if component not in self._counted:
            groups = self._groups(index, rest)
            self._counted[component] = sum(count * self._count(self._decide(rest, index, members[0])) for members, count in groups)
        return self._counted[component]

    def _groups(self, index: int, rest: Problem) -> list[Group]:
        """Split the parameter's values by which of the open conditions they meet."""
        asked = list({values for _, alternatives in rest for row in alternatives for i, values in row if i == index})
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

    @staticmethod
    def _decide(problem: Problem, index: int, value: Value) -> Problem:
        """Return what is open after the parameter at `index` has got `value`."""
        inactive: set[int] = set()
        decided: list[Open] = []
        for i, alternatives in problem:
            open_: list[Clauses] = []
            for row in alternatives:
                if all(value in values if j == index else j not in inactive for j, values in row):
                    open_.append(tuple(clause for clause in row if clause[0] != index))
            if not open_:
                inactive.add(i)
            else:
                decided.append((i, ((),) if () in open_ else tuple(dict.fromkeys(open_))))
        return tuple(decided)


def _values(domain: Domain) -> Sequence[Value]:
    """Return the values of a finite domain, without a list of them where they are a range."""
    return range(domain.low, domain.high + 1, domain.step) if isinstance(domain, Integer) else list(domain.enumerate())


def _components(problem: Problem) -> Iterable[Problem]:
    """Split a problem into parts that share no condition."""
    leader: dict[int, int] = {i: i for i, _ in problem}

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for i, alternatives in problem:
        for row in alternatives:
            for j, _ in row:
                leader[find(i)] = find(j)
    parts: dict[int, list[Open]] = {}
    for item in problem:
        parts.setdefault(find(item[0]), []).append(item)
    return map(tuple, parts.values())


def _pick(weights: Sequence[int], rng: np.random.Generator) -> int:
    """Draw an index with the given integer weights, exact for weights of any size."""
    total = sum(weights)
    bits = total.bit_length()
    while (drawn := int.from_bytes(rng.bytes((bits + 7) // 8), "little") & ((1 << bits) - 1)) >= total:
        pass
    for i, weight in enumerate(weights):
        if drawn < weight:
            return i
        drawn -= weight
    raise AssertionError
