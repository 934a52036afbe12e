"""What is spent is never gone on from, and what is kept is not much."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retia.space import Architecture, Integer, SearchSpace
from retia.strategy import ASHA, BOHB, Fallback, Hyperband, MedianStop, Random, SuccessiveHalving
from retia.strategy.multi_fidelity.certain_ranks import certain_ranks
from retia.study import Study
from retia.trial import Capabilities, Constraint, History, Objective, Trial, strategy_capabilities_of

SPACE = SearchSpace({"x": Integer(0, 999)})
FIDELITIES = (1, 3, 9)


class Noisy:
    """Metrics that change their order from fidelity to fidelity, and may have a bound that only training
    shows; it hears what is released.
    """

    def __init__(self):
        self.released, self.gone = [], []

    def __call__(self, architecture, run):
        if run.resume_from is not None and run.resume_from in self.released:
            self.gone.append(run.resume_from)
        rng = np.random.default_rng((architecture["x"], int(run.fidelity or 9)))
        return {"y": architecture["x"] + 300 * rng.normal(), "z": rng.normal(), "w": float(rng.uniform())}

    def capabilities(self):
        return Capabilities(full_fidelity=9.0, release=self.release)

    def release(self, directory):
        self.released.append(directory)


MAKE = {
    "asha": lambda: ASHA(Random(), fidelities=FIDELITIES, extendable=False),
    "halving": lambda: SuccessiveHalving(Random(), fidelities=FIDELITIES),
    "hyperband": lambda: Hyperband(Random(), fidelities=FIDELITIES),
    "bohb": lambda: BOHB(fidelities=FIDELITIES),
    "stopped": lambda: MedianStop(ASHA(Random(), fidelities=FIDELITIES, extendable=False)),
}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "goal",
    [
        {"maximize": "y"},
        {"maximize": ["y", "z"]},
        {"maximize": "y", "constraints": ["w <= 0.6"]},
        {"maximize": ["y", "z"], "constraints": ["w <= 0.6"]},
    ],
)
@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_what_is_released_is_never_gone_on_from(make, goal, workers):
    evaluator = Noisy()
    study = Study(SPACE, evaluator, **goal)
    study.run(
        make(), trials=121, executor=None if workers == 1 else ThreadPoolExecutor(workers), workers=workers
    )
    assert evaluator.gone == []
    assert len(evaluator.released) == len(set(evaluator.released))
    low = [trial for trial in study.trials if trial.fidelity is not None]
    kept = [trial for trial in low if trial.directory not in evaluator.released]
    assert len(kept) <= len(low) / 3
    if isinstance(goal["maximize"], str):
        promoted = {trial.parent for trial in study.trials if trial.parent is not None}
        assert len(kept) <= 9  # of the bracket under way, or what is due for promotion
        assert not promoted & {trial.number for trial in kept}


def history(values, objectives=(Objective("y", "maximize"),), constraints=(), fidelity=1):
    trials = [Trial(i, Architecture({"x": i}), "completed", one, fidelity) for i, one in enumerate(values)]
    return History(objectives, constraints, trials)


def test_asha_spends_what_would_not_be_promoted_if_all_that_is_left_were_worse():
    past = history(
        [{"y": float(y)} for y in (5, 9, 1, 7, 3, 8)]
    )  # promoted of 6 would be trials 1 and 5, of 9 trial 3 as well
    strategy, extendable = (
        ASHA(Random(), fidelities=(1, 3), extendable=False),
        ASHA(Random(), fidelities=(1, 3)),
    )
    assert extendable.spent(past, 0) == set()
    assert strategy.spent(past, 0) == {0, 2, 3, 4}
    assert strategy.spent(past, 3) == {0, 2, 4}
    assert strategy.spent(past, 12) == set()
    promoted = Trial(6, Architecture({"x": 1}), parent=1)
    past.record(promoted)
    assert strategy.spent(past, 3) == {0, 2, 4}  # it runs
    past.record(promoted.end("completed", at=1.0, metrics={"y": 1.0}))
    assert strategy.spent(past, 3) == {0, 1, 2, 4}
    assert extendable.spent(past, 0) == {1}


def test_of_other_fidelities_nothing_is_said():
    past = history([{"y": float(y)} for y in range(9)], fidelity=2)
    assert ASHA(Random(), fidelities=(1, 3), extendable=False).spent(past, 0) == set()
    assert SuccessiveHalving(Random(), fidelities=(1, 3)).spent(past, 0) == set()


def test_with_several_objectives_what_dominates_is_ahead():
    two = (Objective("y", "maximize"), Objective("z", "minimize"))
    past = history(
        [{"y": 1.0, "z": 1.0}, {"y": 2.0, "z": 1.0}, {"y": 3.0, "z": 5.0}, {"y": 0.0, "z": 9.0}], two
    )
    assert certain_ranks(past, list(past)) == [1, 0, 0, 3]
    bounded = history(
        [{"y": 1.0, "z": 1.0}, {"y": 2.0, "z": 1.0}, {"y": 3.0, "z": 5.0}, {"y": 0.0, "z": 9.0}],
        two,
        (Constraint("z", upper=4.0),),
    )
    assert certain_ranks(bounded, list(bounded)) == [1, 0, 2, 3]


def test_a_wrapper_passes_on_what_the_strategy_can_do():
    within = ASHA(Random(), fidelities=(1, 3))
    abilities = strategy_capabilities_of(MedianStop(Fallback(within)))
    assert abilities.spent == within.spent
    assert abilities.fidelities == (1, 3)
    assert strategy_capabilities_of(abilities.wraps).wraps is within
    assert strategy_capabilities_of(Fallback(Random())).spent is None
