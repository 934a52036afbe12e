import math

import numpy as np
import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import NSGA2
from retia.strategy.nsga2 import select
from retia.study import Study, architecture_evaluator
from retia.trial import Constraint, History, Objective, Trial

LINE = SearchSpace({"x": Integer(0, 99)})
BOTH = (Objective("a", "minimize"), Objective("b", "minimize"))


def history_of(points, constraints=()):
    """A history of completed trials with these losses."""
    history = History(BOTH, constraints)
    for number, (a, b) in enumerate(points):
        history.record(
            Trial(number, LINE.validate({"x": number})).end("completed", at=1, metrics={"a": a, "b": b})
        )
    return history


def numbers(trials):
    return [trial.number for trial in trials]


def test_the_first_fronts_survive_and_of_the_last_the_loneliest():
    history = history_of([(0, 4), (1, 3), (1.5, 2.5), (4, 0), (5, 5), (6, 6)])
    assert numbers(select(history, history.evaluated, 3)) == [
        0,
        3,
        2,
    ]  # of the middle two, trial 2 has the wider gap: 1 to 4, 0 to 3
    assert numbers(select(history, history.evaluated, 6)) == [0, 3, 2, 1, 4, 5]


def test_what_misses_a_bound_comes_after_all_that_meet_it_and_the_nearest_first():
    history = history_of([(1, 1), (9, 9), (2, 0.5), (3, 8)], [Constraint("b", lower=4)])
    assert numbers(select(history, history.evaluated, 4)) == [3, 1, 0, 2]


def test_an_infeasible_trial_has_no_objectives_and_needs_none():
    history = History(BOTH, [Constraint("params", upper=5)])
    for number, params in enumerate((20, 10)):
        history.record(
            Trial(number, LINE.validate({"x": number})).end("infeasible", at=1, metrics={"params": params})
        )
    history.record(
        Trial(2, LINE.validate({"x": 2})).end("completed", at=1, metrics={"a": 1, "b": 1, "params": 5})
    )
    assert numbers(select(history, history.evaluated, 3)) == [2, 1, 0]


def test_parents_follow_from_the_history_however_the_trials_ended():
    points = [tuple(row) for row in np.random.default_rng(0).random((23, 2)).tolist()]
    in_order = history_of(points)
    shuffled = History(BOTH)
    for number in range(23):
        shuffled.record(Trial(number, LINE.validate({"x": number})))
    strategy = NSGA2(population=5)
    for number in np.random.default_rng(1).permutation(23).tolist():
        shuffled.record(in_order[number])
        strategy.propose(LINE, shuffled, 1, stream(0, number))
    assert strategy.propose(LINE, shuffled, 3, stream(0)) == NSGA2(population=5).propose(
        LINE, in_order, 3, stream(0)
    )


def test_the_elite_of_all_whole_generations_are_the_parents():
    # Of the first generation 0 and 1 survive, and of the second 4; trial 6, which dominates 4, is of no whole
    # generation.
    history = history_of([(0, 4), (4, 0), (9, 9), (8, 8), (1, 1), (7, 7), (0.5, 0.5)])
    parents = [
        proposal.parent
        for i in range(300)
        for proposal in NSGA2(population=3, crossover=0).propose(LINE, history, 1, stream(0, i))
    ]
    # Of two of the three the better wins, and 4 is the most crowded.
    assert [parents.count(number) / 300 for number in (0, 1, 4, 6)] == [
        pytest.approx(share, abs=0.09) for share in (2 / 3, 1 / 3, 0, 0)
    ]


def test_until_a_generation_is_whole_architectures_are_random():
    history = history_of([(0, 4), (4, 0), (9, 9)])
    assert all(
        proposal.parent is None
        for i in range(20)
        for proposal in NSGA2(population=4).propose(LINE, history, 1, stream(0, i))
    )


def test_a_child_of_two_has_nothing_but_what_they_have_and_mutations():
    space = SearchSpace({f"op{i}": Categorical(tuple("abcd")) for i in range(40)})
    history = History(BOTH)
    for number, letter in enumerate("ab"):
        metrics = {"a": number, "b": -number}
        history.record(
            Trial(number, space.validate(dict.fromkeys(space.parameters, letter))).end(
                "completed", at=1, metrics=metrics
            )
        )
    children = [
        NSGA2(population=2, crossover=1).propose(space, history, 1, stream(0, i))[0].architecture
        for i in range(200)
    ]
    foreign = [sum(value in "cd" for value in child.values()) for child in children]
    # A parameter mutates with probability 1/40, to c or d in two of three cases.
    assert np.mean(foreign) == pytest.approx(2 / 3, abs=0.17)
    assert np.mean([sum(value == "a" for value in child.values()) for child in children]) == pytest.approx(
        20, abs=0.7
    )


@pytest.mark.parametrize("seed", range(3))
def test_it_recovers_the_front_of_a_discretised_zdt1(seed):
    """Zitzler, Deb and Thiele's first problem at ten points an axis: the front is where all but the first are
    0.
    """
    space = SearchSpace({f"x{i}": Integer(0, 9) for i in range(4)})

    @architecture_evaluator
    def zdt1(architecture):
        first, *rest = (value / 9 for value in architecture.values())
        g = 1 + 9 * sum(rest) / len(rest)
        return {"f1": first, "f2": g * (1 - math.sqrt(first / g))}

    study = Study(space, zdt1, minimize=["f1", "f2"], seed=seed, baseline={f"x{i}": 9 for i in range(4)})
    study.run(NSGA2(), trials=500)
    assert {tuple(trial.architecture.values()) for trial in study.pareto} == {(x, 0, 0, 0) for x in range(10)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"population": 1}, "'population' of NSGA2 must be an integer of at least 2, got 1"),
        ({"crossover": 1.5}, "'crossover' of NSGA2 must be a number >= 0 and <= 1, got 1.5"),
    ],
)
def test_arguments_out_of_range(arguments, says):
    with pytest.raises(SpaceError, match=says):
        NSGA2(**arguments)
