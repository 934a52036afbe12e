import pytest

from retia.errors import SpaceError
from retia.rng import stream
from retia.space import Categorical, Integer, Real, SearchSpace
from retia.strategy import GridSearch
from retia.study import Study, architecture_evaluator
from retia.trial import History, Objective

SPACE = SearchSpace({"a": Integer(1, 3), "b": Categorical(("x", "y"))})
MIXED = SearchSpace({"a": Integer(1, 2), "lr": Real(0.001, 0.1, log=True)})


@architecture_evaluator
def count(architecture):
    return {"score": len(architecture)}


def test_it_goes_through_the_space_in_its_order():
    study = Study(SPACE, count, maximize="score")
    assert study.run(GridSearch(), trials=100) == "search space exhausted"
    assert [trial.architecture for trial in study.trials] == list(SPACE.enumerate())


def test_a_baseline_in_the_middle_is_not_repeated():
    study = Study(SPACE, count, maximize="score", baseline={"a": 2, "b": "x"})
    study.run(GridSearch(), trials=100)
    grid = list(SPACE.enumerate())
    assert [trial.architecture for trial in study.trials] == [grid[2], *grid[:2], *grid[3:]]


def test_real_intervals_are_divided_evenly_on_their_scale():
    proposals = GridSearch(points=3).propose(MIXED, History([Objective("score", "maximize")]), 100, stream(0))
    got = [(one.architecture["a"], one.architecture["lr"]) for one in proposals]
    assert got == [(a, pytest.approx(lr)) for a in (1, 2) for lr in (0.001, 0.01, 0.1)]


def test_a_real_interval_needs_points():
    with pytest.raises(
        SpaceError,
        match=r"'lr' is a real parameter, .*Give the number of its values: GridSearch\(points=5\)",
    ):
        GridSearch().propose(MIXED, History([Objective("score", "maximize")]), 1, stream(0))


def test_points_are_at_least_one():
    with pytest.raises(SpaceError, match="An interval needs at least one point, got points=0"):
        GridSearch(points=0).propose(MIXED, History([Objective("score", "maximize")]), 1, stream(0))


def test_an_instance_serves_two_studies_in_turns():
    strategy, studies = GridSearch(), [Study(SPACE, count, maximize="score") for _ in range(2)]
    for trials in range(1, 7):
        for study in studies:
            study.run(strategy, trials=trials)
    assert all([trial.architecture for trial in study.trials] == list(SPACE.enumerate()) for study in studies)
