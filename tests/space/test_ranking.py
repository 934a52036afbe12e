import itertools

import numpy as np
import pytest

from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace, cheapest


def costs_of(space, seed=0):
    rng = np.random.default_rng(seed)
    return {
        label: rng.exponential(size=int(parameter.domain.size))
        for label, parameter in space.parameters.items()
    }


def cost(space, costs, architecture):
    return sum(
        costs[label][list(space.parameters[label].domain.enumerate()).index(value)]
        for label, value in architecture.items()
    )


def where(label, *values):
    return Condition(((Clause(label, frozenset(values)),),))


CONDITIONAL = SearchSpace(
    [
        Parameter("op", Categorical(("a", "b", "c"))),
        Parameter("width", Categorical((8, 16))),
        Parameter("kernel", Categorical((3, 5)), where("op", "a", "b")),
        Parameter("depth", Integer(1, 3)),
        Parameter("second", Categorical((0, 1)), where("depth", 2, 3)),
        Parameter("third", Categorical((0, 1)), where("depth", 3)),
        Parameter(
            "rate",
            Categorical((1, 2)),
            Condition(
                (
                    (Clause("kernel", frozenset({5})), Clause("third", frozenset({1}))),
                    (Clause("width", frozenset({8})),),
                )
            ),
        ),
    ]
)


@pytest.mark.parametrize("seed", range(3))
def test_a_ranking_of_a_conditional_space_is_that_of_brute_force(seed):
    costs = costs_of(CONDITIONAL, seed)
    every = list(CONDITIONAL.enumerate())
    ranked = list(cheapest(CONDITIONAL, costs))
    assert len(ranked) == len(set(ranked)) == len(every)
    assert set(ranked) == set(every)
    found = [cost(CONDITIONAL, costs, architecture) for architecture in ranked]
    assert found == pytest.approx(sorted(found))


def test_a_ranking_of_a_huge_space_is_lazy():
    space = SearchSpace({f"p{i}": Integer(1, 10) for i in range(200)})
    costs = costs_of(space)
    best, second = itertools.islice(cheapest(space, costs), 2)
    assert best == {f"p{i}": 1 + int(costs[f"p{i}"].argmin()) for i in range(200)}
    gaps = {label: np.diff(np.sort(one)[:2])[0] for label, one in costs.items()}
    assert {label for label in space.parameters if best[label] != second[label]} == {
        min(gaps, key=gaps.__getitem__)
    }
