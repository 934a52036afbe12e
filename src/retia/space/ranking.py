"""The architectures of a conditional space, ordered by a sum of costs of their values.

The undecided parameters form a problem. It splits into components that share no condition; its solutions are
combinations of theirs. A component is solved by deciding its first parameter, whose values leave smaller
problems. Each problem stores the solutions found so far, in order, and computes the next one on demand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, TypeAlias

import numpy as np

from retia.space.architecture import Architecture
from retia.space.problem import Problem, components, decide, whole_problem
from retia.space.search_space import SearchSpace
from retia.space.value import Value

__all__ = ["cheapest"]

Solution: TypeAlias = tuple[float, Any]
"""Its cost, and a decision (parameter, position), a pair of parts, or None."""


def cheapest(space: SearchSpace, costs: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[Architecture]:
    """Yield every architecture of a space once, ignoring its restrictions, the cheapest first.

    The time for the next architecture depends on the number of parameters, not on the size of the space.

    Args:
        space: Search space without real intervals.
        costs: Finite costs of each parameter's values in the order of its domain, shape (K,), by label. The
            cost of an architecture is the sum over its active parameters.

    >>> from retia.space import Categorical, SearchSpace
    >>> two = SearchSpace({"a": Categorical((1, 2)), "b": Categorical((1, 2))})
    >>> [dict(found) for found in cheapest(two, {"a": np.array([0, 3]), "b": np.array([1, 0])})]
    [{'a': 1, 'b': 2}, {'a': 1, 'b': 1}, {'a': 2, 'b': 2}, {'a': 2, 'b': 1}]
    """
    ranking = _Ranking(space, costs)
    stream = ranking.solve(ranking.whole)
    for i in count():
        if (solution := stream.get(i)) is None:
            return
        yield ranking.architecture(solution[1])


class _Stream:
    """The solutions of a problem, cheapest first, computed on demand."""

    def __init__(self, source: Iterator[Solution]) -> None:
        self._source = source
        self._found: list[Solution] = []

    def get(self, i: int) -> Solution | None:
        """Return solution number `i`, or None if there are fewer."""
        while len(self._found) <= i:
            solution = next(self._source, None)
            if solution is None:
                return None
            self._found.append(solution)
        return self._found[i]


@dataclass(frozen=True)
class _Choice:
    """A parameter's values that leave the same problem: their costs in order, and their positions."""

    values: Sequence[Solution]
    rest: _Stream


class _Ranking:
    def __init__(self, space: SearchSpace, costs: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self._labels = list(space.parameters)
        domains: list[Any] = [parameter.domain for parameter in space.parameters.values()]
        self._values: list[list[Value]] = [list(domain.enumerate()) for domain in domains]
        self._costs = [np.asarray(costs[label], float).tolist() for label in self._labels]
        self._streams: dict[Problem, _Stream] = {}
        self.whole = whole_problem(list(space.parameters.values()))

    def architecture(self, part: Any) -> Architecture:
        """Return the architecture of a solution's decisions."""
        chosen: dict[int, int] = {}
        parts = [part]
        while parts:
            part = parts.pop()
            if part is None:
                continue
            one, other = part
            if isinstance(one, int):
                chosen[one] = other
            else:
                parts += [one, other]
        return Architecture.trusted({self._labels[i]: self._values[i][chosen[i]] for i in sorted(chosen)})

    def solve(self, problem: Problem) -> _Stream:
        """Return the solutions of a problem."""
        if problem not in self._streams:
            streams = [self._solve_component(component) for component in components(problem)]
            while len(streams) > 1:  # in a balanced tree, to limit its depth
                pairs = [streams[i : i + 2] for i in range(0, len(streams), 2)]
                streams = [_Stream(_both(*pair)) if len(pair) == 2 else pair[0] for pair in pairs]
            self._streams[problem] = streams[0] if streams else _Stream(iter([(0.0, None)]))
        return self._streams[problem]

    def _solve_component(self, component: Problem) -> _Stream:
        if component in self._streams:
            return self._streams[component]
        (i, _), rest = component[0], component[1:]
        left: dict[Problem, list[int]] = {}
        for k in range(len(self._values[i])):
            left.setdefault(decide(rest, i, self._values[i][k]), []).append(k)
        costs = self._costs[i]
        choices = [
            _Choice(
                sorted(((costs[k], (i, k)) for k in positions), key=lambda one: one[0]), self.solve(after)
            )
            for after, positions in left.items()
        ]
        self._streams[component] = _Stream(_either(choices))
        return self._streams[component]


def _either(choices: Sequence[_Choice]) -> Iterator[Solution]:
    """Merge the solutions of several choices."""
    sources = [_pairs(choice.values.__getitem__, len(choice.values), choice.rest) for choice in choices]
    heap = [
        (first[0], i, first) for i, source in enumerate(sources) if (first := next(source, None)) is not None
    ]
    heapify(heap)
    while heap:
        _, i, solution = heappop(heap)
        yield solution
        if (following := next(sources[i], None)) is not None:
            heappush(heap, (following[0], i, following))


def _both(one: _Stream, other: _Stream) -> Iterator[Solution]:
    """Combine the solutions of two problems that share nothing."""
    return _pairs(one.get, None, other)


def _pairs(first: Any, size: int | None, second: _Stream) -> Iterator[Solution]:
    """Yield the pairs of two ordered sequences by total cost; `size` is the length of the first, if known."""

    def pair(i: int, j: int) -> tuple[float, int, int, Any] | None:
        a = first(i) if size is None or i < size else None
        b = None if a is None else second.get(j)
        return None if a is None or b is None else (a[0] + b[0], i, j, (a[1], b[1]))

    heap = [start] if (start := pair(0, 0)) else []
    while heap:
        cost, i, j, parts = heappop(heap)
        yield cost, parts
        # Each pair has one predecessor: (i, j - 1), or (i - 1, 0).
        for following in (pair(i, j + 1), pair(i + 1, 0) if j == 0 else None):
            if following is not None:
                heappush(heap, following)
