import re

import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, SearchSpace
from retia.strategy import RegularizedEvolution
from retia.strategy.regularized_evolution import survivors, tournament_winner
from retia.study import Study, architecture_evaluator
from retia.trial import Constraint, History, Objective, Trial

SPACE = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})


def uniform(letters):
    """An architecture spelled by six letters."""
    return SPACE.validate({f"op{i}": letter for i, letter in enumerate(letters)})


def history_of(scores, *, constraints=(), architectures=None):
    """A history of completed trials with these scores; None is a failed one."""
    architectures = architectures or list(SPACE.enumerate())
    trials = []
    for number, score in enumerate(scores):
        trial = Trial(number, architectures[number])
        failed = trial.end("failed", at=1, error="boom")
        trials.append(failed if score is None else trial.end("completed", at=1, metrics={"score": score}))
    return History([Objective("score", "maximize")], constraints, trials)


def test_the_youngest_are_alive_however_good_the_old():
    assert [trial.number for trial in survivors(history_of([9, 1, None, 2, 3]), 3)] == [1, 3, 4]


def test_the_population_is_in_the_order_of_the_numbers_not_of_the_ends():
    history = history_of([])
    for number in range(4):
        history.record(Trial(number, list(SPACE.enumerate())[number]))
    for number in (2, 0, 3, 1):
        history.record(history[number].end("completed", at=9 - number, metrics={"score": 0}))
    assert [trial.number for trial in survivors(history, 2)] == [2, 3]


def test_the_best_of_the_drawn_wins():
    history = history_of([5, 9, 1, 7])
    assert tournament_winner(history, history.evaluated, 4, stream(0)).number == 1
    wins = [tournament_winner(history, history.evaluated, 2, stream(0, i)).number for i in range(600)]
    # Of the six pairs of four, 1 wins three, 3 two, 0 one, 2 none.
    assert [wins.count(number) / 600 for number in range(4)] == [
        pytest.approx(share, abs=0.07) for share in (1 / 6, 1 / 2, 0, 1 / 3)
    ]


def test_with_several_objectives_the_whole_population_is_ranked():
    """Of four on a front the ends are the loneliest; of the two between them, whichever is alone in its
    tournament.
    """
    objectives = [Objective("a", "minimize"), Objective("b", "minimize")]
    points = [(0, 9), (4, 4), (4.5, 3.5), (9, 0), (9, 9)]
    trials = [
        Trial(i, one).end("completed", at=1, metrics={"a": a, "b": b})
        for i, ((a, b), one) in enumerate(zip(points, SPACE.enumerate(), strict=False))
    ]
    history = History(objectives, trials=trials)
    wins = [tournament_winner(history, history.evaluated, 3, stream(0, i)).number for i in range(600)]
    # Ranked 0, 3, 1 (gaps of 4.5 and 5.5), 2 (5 and 4), 4; of the ten threes of five, 0 wins six, 3 three, 1
    # one.
    assert [wins.count(number) / 600 for number in range(5)] == [
        pytest.approx(share, abs=0.06) for share in (0.6, 0.1, 0, 0.3, 0)
    ]


def test_an_infeasible_trial_loses_to_any_feasible():
    history = history_of([5, 99, 98], constraints=[Constraint("score", upper=10)])
    assert tournament_winner(history, history.evaluated, 3, stream(0)).number == 0
    assert (
        tournament_winner(history, history.evaluated[1:], 2, stream(0)).number == 2
    )  # it misses the bound by less


def test_random_ones_come_until_the_population_is_full():
    strategy = RegularizedEvolution(population=4, tournament=4)
    for count, parents in ((0, {None}), (3, {None}), (4, {1}), (6, {4})):
        history = history_of([1, 9, 2, 3, 5, 0][:count])
        assert {strategy.propose(SPACE, history, 1, stream(0, i))[0].parent for i in range(20)} == parents


def test_running_trials_count_towards_the_population_but_are_no_parents():
    history = history_of([1, 2, 3])
    history.record(Trial(3, list(SPACE.enumerate())[3]))
    (proposal,) = RegularizedEvolution(population=4, tournament=4).propose(SPACE, history, 1, stream(0))
    assert proposal.parent == 2


def test_a_child_differs_from_its_parent_in_one_parameter():
    history = history_of([1, 9, 2, 3])
    for i in range(50):
        (proposal,) = RegularizedEvolution(population=4, tournament=4).propose(
            SPACE, history, 1, stream(0, i)
        )
        parent = history[proposal.parent].architecture
        assert sum(parent[label] != proposal.architecture[label] for label in parent) == 1


def test_aging_outlives_a_lucky_trial():
    """The first trial is by far the best; after `population` more it is no parent any more."""

    @architecture_evaluator
    def lucky(architecture):
        return {
            "score": 100
            if set(architecture.values()) == {"a"}
            else sum(value == "e" for value in architecture.values())
        }

    study = Study(SPACE, lucky, maximize="score")
    study.run(RegularizedEvolution(population=5, tournament=5), trials=60)
    assert study.best.number == 0
    parents = {trial.number: trial.parent for trial in study.trials}
    assert {number for number, parent in parents.items() if parent == 0} <= set(range(5, 10)) != set()
    assert all(parent >= number - 5 for number, parent in parents.items() if parent is not None)
    assert all(parents[number] is not None for number in range(5, 60))


def test_with_one_tournament_of_all_it_climbs_straight():
    """On a smooth landscape the parent is the best of the last `population`, exactly."""
    study = _searched(RegularizedEvolution(population=10, tournament=10), trials=100)
    for trial in study.trials[10:]:
        alive = study.trials[trial.number - 10 : trial.number]
        best = max(alive, key=lambda one: (one.metrics["score"], -one.number))
        assert trial.parent == best.number


def test_crossover_mixes_two_parents_before_it_mutates():
    architectures = [uniform("aaaaaa"), uniform("bbbbbb")]
    history = history_of([1, 1], architectures=architectures)
    strategy = RegularizedEvolution(population=2, tournament=1, crossover=1.0)
    children = [strategy.propose(SPACE, history, 1, stream(0, i))[0].architecture for i in range(60)]
    for child in children:
        assert sum(value not in "ab" for value in child.values()) <= 1  # the mutation
    assert sum({"a", "b"} <= set(child.values()) for child in children) > 20


def test_without_crossover_nothing_is_mixed():
    history = history_of([1, 1], architectures=[uniform("aaaaaa"), uniform("bbbbbb")])
    strategy = RegularizedEvolution(population=2, tournament=1)
    children = [strategy.propose(SPACE, history, 1, stream(0, i))[0].architecture for i in range(60)]
    assert all(max(list(child.values()).count(letter) for letter in "ab") == 5 for child in children)


def test_several_children_are_different():
    history = history_of([1, 9, 2, 3])
    proposals = RegularizedEvolution(population=4, tournament=4).propose(SPACE, history, 20, stream(0))
    assert len({one.architecture for one in proposals}) == 20


def test_a_parent_without_a_second_value_leaves_it_to_chance():
    space = SearchSpace({"a": Categorical((1,))})
    history = History(
        [Objective("score", "maximize")],
        trials=[Trial(0, space.default()).end("completed", at=1, metrics={"score": 1})],
    )
    assert RegularizedEvolution(population=1, tournament=1).propose(space, history, 1, stream(0)) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"population": 5, "tournament": 6}, "1 <= tournament <= population, got tournament=6, population=5"),
        (
            {"population": 5, "tournament": 0},
            "'tournament' of RegularizedEvolution must be an integer of at least 1, got 0",
        ),
        (
            {"population": "20"},
            "'population' of RegularizedEvolution must be an integer of at least 1, got '20'",
        ),
        (
            {"population": 20.5},
            "'population' of RegularizedEvolution must be an integer of at least 1, got 20.5",
        ),
        (
            {"population": True, "tournament": True},
            "'population' of RegularizedEvolution must be an integer of at least 1, got True",
        ),
        (
            {"crossover": -0.1},
            "'crossover' of RegularizedEvolution must be a number >= 0 and <= 1, got -0.1",
        ),
        ({"crossover": 1.5}, ">= 0 and <= 1, got 1.5"),
        ({"crossover": "half"}, ">= 0 and <= 1, got 'half'"),
        ({"crossover": float("nan")}, ">= 0 and <= 1, got nan"),
    ],
)
def test_arguments_are_checked(arguments, says):
    with pytest.raises(SpaceError, match=re.escape(says)):
        RegularizedEvolution(**arguments)


def _searched(strategy, trials):
    @architecture_evaluator
    def score(architecture):
        return {"score": sum(value == "e" for value in architecture.values())}

    study = Study(SPACE, score, maximize="score")
    study.run(strategy, trials=trials)
    return study
