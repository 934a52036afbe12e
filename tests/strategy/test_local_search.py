from retia.rng import stream
from retia.space import Categorical, SearchSpace
from retia.strategy import LocalSearch
from retia.study import Study, architecture_evaluator
from retia.trial import History, Objective, Trial

BITS = SearchSpace({name: Categorical((0, 1)) for name in "abc"})

# From 000 the best neighbour is 010, a local optimum; what is left is 101 and, better than all, 111.
HEIGHTS = {"000": 1.0, "001": 2.0, "010": 3.0, "100": 0.0, "011": 2.5, "110": 2.9, "101": 0.5, "111": 9.0}


def bits(architecture):
    return "".join(str(architecture[name]) for name in "abc")


@architecture_evaluator
def height(architecture):
    return {"height": HEIGHTS[bits(architecture)]}


def climbed(seed=0, **options):
    study = Study(BITS, height, maximize="height", seed=seed, **options)
    return study, study.run(LocalSearch(), trials=100)


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


def test_the_order_of_neighbours_needs_no_random_numbers():
    assert len({tuple(bits(trial.architecture) for trial in climbed(seed)[0].trials[:6]) for seed in range(5)}) == 1


def test_it_waits_at_an_exhausted_centre_for_what_still_runs():
    history = History([Objective("height", "maximize")])
    for number, architecture in enumerate(("000", "001", "010", "100")):
        trial = Trial(number, space_of(architecture), parent=0 if number else None)
        history.record(trial)
        if number != 3:
            history.record(trial.end("completed", at=1, metrics={"height": HEIGHTS[architecture]}))
    strategy = LocalSearch()
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
    study.run(LocalSearch(), trials=100)
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
    assert study.run(LocalSearch(), trials=100) == "search space exhausted"
    assert [trial.parent for trial in study.trials].count(None) <= 2  # the second start at most is for what a tie hid
    assert sorted(trial.metrics["ones"] for trial in study.pareto) == [0, 1, 2, 3]


def space_of(text):
    return BITS.validate(dict(zip("abc", map(int, text), strict=True)))
