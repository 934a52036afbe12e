"""Sizes that a formula gives, for spaces that are far too large to enumerate."""

import math

import numpy as np

from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace, Subset


def when(label, *values):
    return Condition(((Clause(label, frozenset(values)),),))


def test_three_way_choice_nested_in_one_with_identity():
    space = SearchSpace(
        [
            Parameter("op", Categorical(("nested", "identity"))),
            Parameter("op/nested", Categorical((1, 2, 3)), when("op", "nested")),
        ]
    )
    assert space.size() == 4
    assert len(list(space.enumerate())) == 4


def test_repeat_of_a_two_way_choice():
    blocks = [
        Parameter(f"body/{i}/op", Categorical(("a", "b")), when("body", *range(i + 1, 4))) for i in range(3)
    ]
    space = SearchSpace([Parameter("body", Integer(1, 3)), *blocks])
    assert space.size() == 2 + 4 + 8 == 14
    assert len(set(space.enumerate())) == 14


def test_independent_parameters_multiply_without_bound():
    space = SearchSpace({f"x{i}": Categorical(tuple(range(7))) for i in range(300)})
    assert space.size() == 7**300


def test_a_long_chain_of_conditions():
    # Each parameter exists only while the one before it is 1: 1 + 1 + ... + 2 architectures.
    chain = [
        Parameter("x0", Integer(0, 1)),
        *(Parameter(f"x{i}", Integer(0, 1), when(f"x{i - 1}", 1)) for i in range(1, 60)),
    ]
    assert SearchSpace(chain).size() == 61


def test_deep_stages_of_blocks():
    # 4 stages of 1 to 20 blocks, each with 5 x 3 choices.
    parameters = []
    for stage in "abcd":
        parameters.append(Parameter(stage, Integer(1, 20)))
        for i in range(20):
            active = when(stage, *range(i + 1, 21))
            parameters += [
                Parameter(f"{stage}/{i}/op", Categorical(tuple("vwxyz")), active),
                Parameter(f"{stage}/{i}/k", Integer(1, 3), active),
            ]
    space = SearchSpace(parameters)
    assert space.size() == sum(15**depth for depth in range(1, 21)) ** 4
    deep = space.sample(np.random.default_rng(0), uniform="architectures")
    assert deep in space
    assert min(deep[stage] for stage in "abcd") >= 18  # where nearly all architectures are


def test_conditions_on_two_parameters():
    both = Condition(((Clause("a", frozenset({1, 2})), Clause("b", frozenset({2, 3}))),))
    either = when("a", 1) | when("b", 3)
    space = SearchSpace(
        [
            Parameter("a", Integer(1, 3)),
            Parameter("b", Integer(1, 3)),
            Parameter("c", Integer(1, 4), both),
            Parameter("d", Integer(1, 5), either),
        ]
    )
    expected = sum(
        (4 if a <= 2 and b >= 2 else 1) * (5 if a == 1 or b == 3 else 1) for a in (1, 2, 3) for b in (1, 2, 3)
    )
    assert space.size() == expected == len(set(space.enumerate()))


def test_subsets_count_as_binomials():
    space = SearchSpace({"s": Subset(tuple(range(50)), least=3, most=25)})
    assert space.size() == sum(math.comb(50, k) for k in range(3, 26))


def test_a_condition_that_never_holds():
    never = Condition(())
    space = SearchSpace(
        [
            Parameter("a", Integer(1, 3)),
            Parameter("b", Integer(1, 9), never),
            Parameter("c", Integer(1, 5), when("b", 2)),
        ]
    )
    assert space.size() == 3
    assert space.sample(np.random.default_rng(0), uniform="architectures") in space
    assert all("b" not in architecture for architecture in space.enumerate())
