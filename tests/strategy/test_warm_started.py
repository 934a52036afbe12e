import pytest

from retia.errors import ArchitectureError
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import LocalSearch, Random, RegularizedEvolution, WarmStarted
from retia.study import Study, architecture_evaluator

SPACE = SearchSpace({"a": Integer(0, 99), "b": Integer(0, 99)})


@architecture_evaluator
def near(architecture):
    return {"distance": abs(architecture["a"] - 70) + abs(architecture["b"] - 30)}


KNOWN = [{"a": 60, "b": 40}, {"a": 69, "b": 30}, {"a": 0, "b": 0}]


def test_the_known_come_first_in_their_order_and_none_twice():
    study = Study(SPACE, near, minimize="distance")
    study.run(WarmStarted(Random(), KNOWN), trials=8)
    assert [dict(trial.architecture) for trial in study.trials[:3]] == [{"a": 0, "b": 0}, *KNOWN[:2]]  # (0, 0) is the baseline
    assert len({trial.architecture for trial in study.trials}) == 8


@pytest.mark.parametrize("strategy", [LocalSearch(starts=3), RegularizedEvolution(3, 3)], ids=lambda one: type(one).__name__)
def test_the_strategy_goes_on_from_what_is_known(strategy):
    study = Study(SPACE, near, minimize="distance")
    study.run(WarmStarted(strategy, KNOWN), trials=4)
    assert study.trials[3].parent == 2
    assert study.trials[2].metrics == {"distance": 1}


def test_an_earlier_study_is_known_by_its_best_which_are_judged_anew():
    earlier = Study(SPACE, near, minimize="distance")
    earlier.run(Random(), trials=30)
    now = Study(SPACE, architecture_evaluator(lambda one: {"distance": near(one, None)["distance"] + 1000}), minimize="distance")
    now.run(WarmStarted(Random(), earlier.top(5)), trials=6)
    assert [trial.architecture for trial in now.trials[1:]] == [trial.architecture for trial in earlier.top(5)]
    assert now.best.metrics["distance"] == earlier.best.metrics["distance"] + 1000


def test_a_known_architecture_is_one_of_the_space():
    space = SearchSpace({"op": Categorical(("conv", "skip"))})
    study = Study(space, architecture_evaluator(lambda one: {"score": 0.0}), maximize="score")
    with pytest.raises(ArchitectureError, match="'op' takes one of {conv, skip}, got 'pool'"):
        study.run(WarmStarted(Random(), [{"op": "pool"}]), trials=3)
