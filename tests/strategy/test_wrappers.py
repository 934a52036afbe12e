"""What all wrappers of strategies have in common."""

import pytest

from retia.errors import StudyError
from retia.strategy import Fallback, Filtered, Prior, Random, Screened, WarmStarted
from retia.trial import StrategyCapabilities

WRAP = {
    "Fallback": lambda strategy: Fallback(strategy),
    "Fallback, otherwise": lambda strategy: Fallback(Random(), strategy),
    "Filtered": lambda strategy: Filtered(strategy, bool),
    "Prior": lambda strategy: Prior(strategy, {}),
    "Screened": lambda strategy: Screened(strategy, len),
    "WarmStarted": lambda strategy: WarmStarted(strategy, []),
}


class Preparing:
    def propose(self, space, history, n, rng):
        return []

    def prepare(self, evaluator, run):
        return evaluator

    def capabilities(self):
        return StrategyCapabilities(prepare=self.prepare, settings=dict)


@pytest.mark.parametrize("wrap", WRAP.values(), ids=WRAP)
def test_a_wrapper_wraps_strategies_that_only_propose(wrap):
    with pytest.raises(
        StudyError,
        match="can.t wrap Preparing, which prepares an evaluator before its first proposal. Call Preparing",
    ):
        wrap(Preparing())
    with pytest.raises(
        StudyError,
        match=r"must wrap an object with a method propose, such as retia.Random\(\), got <class 'retia.strategy.random.Random'>",
    ):
        wrap(Random)
    with pytest.raises(StudyError, match="must wrap an object with a method propose, .*, got 'random'"):
        wrap("random")
