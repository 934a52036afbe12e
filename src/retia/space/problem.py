"""The undecided part of an architecture: parameters with the undecided rest of their conditions."""

from collections.abc import Sequence
from typing import TypeAlias

from retia.space.parameter import Parameter
from retia.space.value import Value

__all__ = ["Problem", "components", "decide", "whole_problem"]

Clauses: TypeAlias = tuple[tuple[int, frozenset[Value]], ...]  # pairs of a parameter and its required values
Open: TypeAlias = tuple[int, tuple[Clauses, ...]]  # a parameter, and the undecided rest of its condition
Problem: TypeAlias = tuple[Open, ...]
"""The undecided parameters by their index in the space, in its order."""


def whole_problem(parameters: Sequence[Parameter]) -> Problem:
    """Return the problem in which nothing is decided, without parameters that can never become active."""
    place = {parameter.label: i for i, parameter in enumerate(parameters)}
    problem: list[Open] = []
    never: set[int] = set()
    for i, parameter in enumerate(parameters):
        rows = [
            tuple((place[clause.label], clause.values) for clause in row)
            for row in parameter.condition.alternatives
        ]
        met = tuple(row for row in rows if not any(j in never for j, _ in row))
        if met:
            problem.append((i, ((),) if () in met else met))
        else:
            never.add(i)
    return tuple(problem)


def decide(problem: Problem, index: int, value: Value) -> Problem:
    """Return the problem that remains after the parameter at `index` takes `value`."""
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


def components(problem: Problem) -> list[Problem]:
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
    return [tuple(part) for part in parts.values()]
