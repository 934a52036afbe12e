"""The strategies that learn obey the laws of `Strategy`."""

import pytest

from retia.predictor import BANANAS, PPO, GaussianProcess, NeuralEnsemble, OneHot, Reinforce
from retia.strategy import PredictorGuided
from retia.testing import STRATEGY_LAWS

SMALL = NeuralEnsemble(members=2, layers=2, width=8, epochs=10)
MAKE = {
    "BANANAS": lambda: BANANAS(SMALL, initial=4, batch=5, candidates=10),
    "PPO": lambda: PPO(hidden=8, batch=8, epochs=2),
    "PredictorGuided": lambda: PredictorGuided(GaussianProcess(), initial=4, mutants=10, randoms=10),
    "PredictorGuided, a bound, in batches": lambda: PredictorGuided(
        GaussianProcess(OneHot(), most=10), acquisition="bound", initial=4, refit=3, mutants=10, randoms=0
    ),
    "Reinforce": lambda: Reinforce(hidden=8, batch=6),
}


@pytest.mark.parametrize("law", STRATEGY_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("make_strategy", MAKE.values(), ids=MAKE)
def test_strategy(make_strategy, law):
    law(make_strategy)
