import tracemalloc

import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace
from retia.strategy import LocalSearch
from retia.study import Study, architecture_evaluator
from retia.trial import Constraint, History, Objective, Trial

BITS = SearchSpace({name: Categorical((0, 1)) for name in "abc"})

# From 000 the best neighbour is 010, a local optimum; what is left is 101 and, better than all, 111.
HEIGHTS = {"000": 1.0, "001": 2.0, "010": 3.0, "100": 0.0, "011": 2.5, "110": 2.9, "101": 0.5, "111": 9.0}


def bits(architecture):
    return "".join(str(architecture[name]) for name in "abc")


@architecture_evaluator
def height(architecture):
    return {"height": HEIGHTS[bits(architecture)]}


STEEPEST = LocalSearch(starts=1, move="best")


def climbed(seed=0, strategy=STEEPEST, **options):
    study = Study(BITS, height, maximize="height", seed=seed, **options)
    return study, study.run(strategy, trials=100)


def test_it_sees_all_neighbours_before_it_moves_and_restarts_at_a_local_optimum():
    for seed in range(10):
        study, reason = climbed(seed)
        trace = [bits(trial.architecture) for trial in study.trials]
        top = trace.index("010")
        assert trace[0] == "000"
        assert set(trace[1:4]) == {"001", "010", "100"}
        assert set(trace[4:6]) == {"011", "110"}
        assert set(trace[6:]) == {"101", "111"}
        assert [trial.parent for trial in study.trials] == [None, 0, 0, 0, top, top, None, 6]
        assert reason == "search space exhausted"
        assert bits(study.best.architecture) == "111"


def test_a_restart_is_drawn_at_random():
    assert {bits(climbed(seed)[0].trials[6].architecture) for seed in range(20)} == {"101", "111"}


def test_the_order_of_neighbours_is_drawn_at_random():
    assert (
        len({tuple(bits(trial.architecture) for trial in climbed(seed)[0].trials[1:4]) for seed in range(30)})
        == 6
    )


def test_to_the_first_better_it_moves_at_once():
    strategy = LocalSearch(starts=1)
    history = history_of(("000", None), ("100", 0))
    assert {one.parent for one in strategy.propose(BITS, history, 5, stream(0))} == {0}
    history = history_of(("000", None), ("100", 0), ("001", 0))
    proposals = strategy.propose(BITS, history, 5, stream(0))
    assert {(bits(one.architecture), one.parent) for one in proposals} == {("011", 2), ("101", 2)}


def test_a_climb_begins_at_the_best_of_the_starts():
    strategy = LocalSearch(starts=3)
    history = history_of(("100", None))
    assert [one.parent for one in strategy.propose(BITS, history, 5, stream(0))] == [None, None]
    history = history_of(("100", None), ("001", None), ("000", None))
    assert {one.parent for one in strategy.propose(BITS, history, 5, stream(0))} == {1}


def test_every_climb_has_as_many_starts():
    study, reason = climbed(strategy=LocalSearch(starts=2))
    assert reason == "search space exhausted"
    parents = [trial.parent for trial in study.trials]
    first_climb = next(i for i, parent in enumerate(parents) if parent is not None)
    assert first_climb == 2
    assert bits(study.best.architecture) == "111"


def test_a_start_that_failed_is_replaced():
    history = history_of(("000", None))
    for number, architecture in ((1, "001"), (2, "010")):
        history.record(Trial(number, space_of(architecture)).end("failed", at=1, error="boom"))
    assert [one.parent for one in LocalSearch(starts=3).propose(BITS, history, 5, stream(0))] == [None, None]


def test_it_climbs_towards_the_bounds_where_nothing_meets_them():
    history = History([Objective("height", "maximize")], [Constraint("ones", lower=3)])
    for number, architecture in enumerate(("000", "001")):
        history.record(
            Trial(number, space_of(architecture)).end(
                "infeasible", at=1, metrics={"ones": architecture.count("1")}
            )
        )
    history.record(Trial(2, space_of("010"), parent=1).end("infeasible", at=1, metrics={"ones": 1}))
    assert {one.parent for one in LocalSearch(starts=1).propose(BITS, history, 5, stream(0))} == {1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"starts": 0}, "'starts' of LocalSearch must be an integer of at least 1, got 0"),
        ({"move": "worst"}, r"'move' of LocalSearch must be one of \['first', 'best'\], got 'worst'"),
    ],
)
def test_arguments_out_of_range(arguments, says):
    with pytest.raises(SpaceError, match=says):
        LocalSearch(**arguments)


def test_it_waits_at_an_exhausted_centre_for_what_still_runs():
    history = History([Objective("height", "maximize")])
    for number, architecture in enumerate(("000", "001", "010", "100")):
        trial = Trial(number, space_of(architecture), parent=0 if number else None)
        history.record(trial)
        if number != 3:
            history.record(trial.end("completed", at=1, metrics={"height": HEIGHTS[architecture]}))
    strategy = STEEPEST
    assert strategy.propose(BITS, history, 1, stream(0)) == []
    history.record(history[3].end("completed", at=1, metrics={"height": 4.0}))  # better than 010 after all
    assert {bits(one.architecture) for one in strategy.propose(BITS, history, 5, stream(0))} == {"110", "101"}


def test_a_failed_start_is_left():
    @architecture_evaluator
    def failing_start(architecture):
        if bits(architecture) == "000":
            raise ArithmeticError
        return {"height": HEIGHTS[bits(architecture)]}

    study = Study(BITS, failing_start, maximize="height")
    study.run(STEEPEST, trials=100, failures="ignore")
    assert study.trials[0].state == "failed"
    assert study.trials[1].parent is None
    assert bits(study.best.architecture) == "111"


def test_constraints_count_before_the_objective():
    study, _ = climbed(constraints=["height <= 2.95"])
    order = [bits(trial.architecture) for trial in study.trials]
    assert set(order[4:6]) == {"011", "101"}  # the neighbours of 001: 010 is better, but breaks the bound
    assert bits(study.best.architecture) == "110"


def test_with_two_objectives_it_moves_along_the_front():
    @architecture_evaluator
    def both(architecture):
        ones = sum(architecture.values())
        return {"ones": ones, "zeros": 6 - ones}  # every number of ones is on the front

    study = Study(BITS, both, maximize=["ones", "zeros"])
    assert study.run(STEEPEST, trials=100) == "search space exhausted"
    assert [trial.parent for trial in study.trials].count(
        None
    ) <= 2  # the second start at most is for what a tie hid
    assert sorted(trial.metrics["ones"] for trial in study.pareto) == [0, 1, 2, 3]


def space_of(text):
    return BITS.validate(dict(zip("abc", map(int, text), strict=True)))


def history_of(*trials):
    """A history of completed trials: bits and parent of each."""
    history = History([Objective("height", "maximize")])
    for number, (architecture, parent) in enumerate(trials):
        history.record(
            Trial(number, space_of(architecture), parent=parent).end(
                "completed", at=1, metrics={"height": HEIGHTS[architecture]}
            )
        )
    return history


def test_a_choice_of_a_million_values_is_never_listed():
    space = SearchSpace({"x": Categorical(tuple(range(1_000_000))), "y": Integer(0, 10**12)})
    history = History([Objective("height", "maximize")])
    history.record(Trial(0, space.default()).end("completed", at=1, metrics={"height": 1.0}))
    strategy = LocalSearch(starts=1)
    strategy.propose(space, history, 1, stream(0))
    tracemalloc.start()
    proposals = strategy.propose(space, history, 100, stream(1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len({one.architecture for one in proposals}) == 100
    assert peak < 1_000_000  # bytes; the list of the values of x alone takes eight million


def test_each_neighbour_is_proposed_once_before_a_restart_and_a_fresh_instance_agrees():
    deep = Condition(((Clause("depth", frozenset({2})),),))
    space = SearchSpace(
        [
            Parameter("depth", Integer(1, 2)),
            Parameter("kernel", Categorical((3, 5)), deep),
            Parameter("width", Integer(1, 9)),
        ]
    )
    space = space.where(lambda one: one["depth"] * one["width"] != 6)
    history, strategy = (
        History([Objective("a", "minimize"), Objective("b", "minimize")]),
        LocalSearch(starts=2),
    )
    for step in range(24):
        proposals = strategy.propose(space, history, 2, stream(0, step))
        assert proposals == LocalSearch(starts=2).propose(space, history, 2, stream(0, step))
        for one in proposals:
            assert one.architecture not in history
            metrics = {
                "a": float(one.architecture["width"]),
                "b": float(one.architecture["width"] * (-1) ** one.architecture["depth"]),
            }
            history.record(
                Trial(len(history), one.architecture, parent=one.parent).end(
                    "completed", at=1, metrics=metrics
                )
            )
    assert len(history) == space.size() == 24  # of 27 three break the restriction
