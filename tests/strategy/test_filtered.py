import pytest

from retia.errors import SpaceError, StudyError
from retia.rng import stream
from retia.space import Integer, SearchSpace
from retia.strategy import Filtered, LocalSearch, Random, RegularizedEvolution
from retia.study import Study, architecture_evaluator
from retia.trial import History, Objective, Proposal

SPACE = SearchSpace({"a": Integer(0, 9), "b": Integer(0, 9)})


@architecture_evaluator
def total(architecture):
    return {"total": architecture["a"] + architecture["b"]}


def under(architecture):
    return architecture["a"] + 2 * architecture["b"] <= 10


@pytest.mark.parametrize(
    "strategy",
    [Random(), RegularizedEvolution(5, 2), LocalSearch(starts=2)],
    ids=lambda one: type(one).__name__,
)
def test_the_part_is_searched_to_its_end_and_the_study_keeps_its_space(strategy):
    study = Study(SPACE, total, maximize="total")
    assert study.run(Filtered(strategy, under), trials=100) == "search space exhausted"
    assert {trial.architecture for trial in study.trials} == set(filter(under, SPACE.enumerate()))
    assert study.best.metrics == {"total": 9}
    assert study.space is SPACE


def test_a_baseline_outside_is_left():
    study = Study(SPACE, total, minimize="total", baseline={"a": 9, "b": 9})
    study.run(Filtered(LocalSearch(starts=1), under), trials=30)
    assert all(under(trial.architecture) for trial in study.trials[1:])


class Deaf:
    """Takes no notice of restrictions, and of randomness only now and then."""

    def __init__(self, share):
        self.share = share

    def propose(self, space, history, n, rng):
        good = rng.random() < self.share
        return [Proposal(SPACE.validate({"a": 9, "b": 0 if good else 9}))]


def test_what_is_proposed_outside_is_dropped():
    history = History([Objective("total", "maximize")])
    for i in range(20):
        assert [
            one.architecture["b"]
            for one in Filtered(Deaf(0.5), under).propose(SPACE, history, 1, stream(0, i))
        ] == [0]
    assert Filtered(Deaf(0.0), under).propose(SPACE, history, 1, stream(0)) == []


def test_one_instance_serves_two_spaces():
    strategy, history = (
        Filtered(Random(), lambda architecture: architecture["a"] > 7),
        History([Objective("total", "maximize")]),
    )
    other = SearchSpace({"a": Integer(8, 20)})
    assert {one.architecture["a"] for one in strategy.propose(SPACE, history, 20, stream(0))} == {8, 9}
    assert max(one.architecture["a"] for one in strategy.propose(other, history, 20, stream(0))) == 20


def test_a_predicate_that_never_holds():
    with pytest.raises(SpaceError, match="No sampled architecture met"):
        Filtered(Random(), lambda architecture: False).propose(
            SPACE, History([Objective("total", "maximize")]), 1, stream(0)
        )


def test_a_predicate_is_a_function():
    with pytest.raises(StudyError, match="a function of the architecture.*got None"):
        Filtered(Random(), None)
