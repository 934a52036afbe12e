import pytest

from retia.rng import stream
from retia.space import Integer, SearchSpace
from retia.strategy import Fallback, Listed, Random
from retia.study import Study
from retia.testing import ConstantEvaluator, FailingStrategy
from retia.trial import History, Objective

SPACE = SearchSpace({"a": Integer(0, 99)})
HISTORY = History([Objective("score", "maximize")])


def test_what_was_raised_is_told_and_the_other_proposes():
    strategy = Fallback(FailingStrategy(after=0), Listed([{"a": 7}]))
    says = (
        "FailingStrategy raised RuntimeError after 0 trials, so Listed proposes instead: "
        "This strategy fails on purpose after 0 trials"
    )
    with pytest.warns(RuntimeWarning, match=says):
        proposals = strategy.propose(SPACE, HISTORY, 1, stream(0))
    assert [one.architecture["a"] for one in proposals] == [7]


def test_the_first_is_asked_each_time():
    strategy = Fallback(FailingStrategy(after=3))
    study = Study(SPACE, ConstantEvaluator(), maximize="score")
    with pytest.warns(RuntimeWarning) as told:
        assert study.run(strategy, trials=6) == "trials done"
    assert [str(one.message).partition("after ")[2].partition(" trials")[0] for one in told] == [
        "3",
        "4",
        "5",
    ]


def test_where_nothing_is_raised_it_is_the_first():
    assert Fallback(Random(), Listed([])).propose(SPACE, HISTORY, 3, stream(0)) == Random().propose(
        SPACE, HISTORY, 3, stream(0)
    )


def test_an_interruption_is_no_failure():
    class Interrupted:
        def propose(self, space, history, n, rng):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Fallback(Interrupted()).propose(SPACE, HISTORY, 1, stream(0))
