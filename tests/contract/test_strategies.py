"""Every strategy obeys the laws of `Strategy`."""

import random

import numpy as np
import pytest

from retia.space import Architecture
from retia.strategy import (
    CMAES,
    NSGA2,
    TPE,
    Fallback,
    Filtered,
    GridSearch,
    LocalSearch,
    NetworkMorphism,
    OptunaGP,
    Prior,
    Random,
    RegularizedEvolution,
    Screened,
    WarmStarted,
)
from retia.testing import (
    STRATEGY_LAWS,
    FailingStrategy,
    MakeStrategy,
    RepeatingStrategy,
    StrategyLaw,
    assert_laws,
)
from retia.testing import strategies as laws
from retia.trial import Proposal

MAKE: dict[str, MakeStrategy] = {
    "CMAES": CMAES,
    "Fallback": lambda: Fallback(LocalSearch()),
    "Filtered": lambda: Filtered(RegularizedEvolution(population=8, tournament=3), lambda architecture: True),
    "GridSearch": GridSearch,
    "LocalSearch": LocalSearch,
    "LocalSearch, to the best": lambda: LocalSearch(starts=1, move="best"),
    "NSGA2": lambda: NSGA2(population=6),
    "Prior": lambda: Prior(
        RegularizedEvolution(population=8, tournament=3), {"*": lambda value: 2.0 if value == "conv" else 1.0}
    ),
    "Random": Random,
    "Random, by architectures": lambda: Random(uniform="architectures"),
    "NetworkMorphism": lambda: NetworkMorphism(children=3, morphs=2),
    "RegularizedEvolution": lambda: RegularizedEvolution(population=8, tournament=3),
    "RegularizedEvolution, with crossover": lambda: RegularizedEvolution(
        population=8, tournament=3, crossover=0.5
    ),
    "RegularizedEvolution, of one": lambda: RegularizedEvolution(population=1, tournament=1),
    "Screened": lambda: Screened(
        RegularizedEvolution(population=8, tournament=3), lambda architecture: len(architecture), keep=0.25
    ),
    "TPE": TPE,
    "WarmStarted": lambda: WarmStarted(LocalSearch(), []),
}


@pytest.mark.parametrize("law", STRATEGY_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("make_strategy", MAKE.values(), ids=MAKE)
def test_strategy(make_strategy: MakeStrategy, law: StrategyLaw) -> None:
    law(make_strategy)


@pytest.mark.slow
@pytest.mark.parametrize("law", STRATEGY_LAWS, ids=lambda law: law.__name__)
def test_gp(law: StrategyLaw) -> None:
    """A proposal takes it a tenth of a second, and several times as long while other trials run, so most
    trials are its random start.
    """
    startup = {laws.running_trials_do_not_break_it: 60, laws.several_objectives_do_not_break_it: 36}.get(
        law, 25
    )
    law(lambda: OptunaGP(startup=startup))


# --- the suite itself finds what it looks for


class Remembering:
    """What it keeps is more than a cache: it walks a list that only it knows."""

    def __init__(self):
        self.calls = 0

    def propose(self, space, history, n, rng):
        self.calls += 1
        return Random().propose(space, history, n, np.random.default_rng(self.calls))


class OutOfSpace:
    def propose(self, space, history, n, rng):
        return [Proposal(Architecture({"depth": 99}))]


class TooMany:
    def propose(self, space, history, n, rng):
        return Random().propose(space, history, n + 1, rng)


class Global:
    def propose(self, space, history, n, rng):
        return Random().propose(space, history, n, np.random.default_rng(random.randrange(1000)))


class Writing:
    def propose(self, space, history, n, rng):
        proposals = Random().propose(space, history, n, rng)
        history._evaluated.clear()
        return proposals


class GivingUp:
    def propose(self, space, history, n, rng):
        return [] if len(history) > 3 else Random().propose(space, history, n, rng)


class Greedy:
    """Meets no history without a completed trial."""

    def propose(self, space, history, n, rng):
        if len(history):
            min(trial.metrics["score"] for trial in history)
        return Random().propose(space, history, n, rng)


@pytest.mark.parametrize(
    ("make_strategy", "law", "says"),
    [
        (Remembering, laws.what_it_keeps_is_only_a_cache, "a fresh instance"),
        (Remembering, laws.proposing_twice_changes_nothing, "two equal calls returned"),
        (OutOfSpace, laws.proposals_are_valid, "is not in the space"),
        (TooMany, laws.proposals_are_valid, "expected at most 1 proposals, got 2"),
        (Global, laws.randomness_comes_from_the_argument, "a global generator was used"),
        (Writing, laws.the_history_is_only_read, "the history was changed"),
        (GivingUp, laws.a_finite_space_is_exhausted, "after 4 of 28 trials|not every architecture"),
        (GivingUp, laws.a_constant_evaluator_does_not_break_it, "it stopped: search space exhausted"),
        (GivingUp, laws.running_trials_do_not_break_it, "it proposed only"),
        (GivingUp, laws.a_study_with_workers_ends_alike, "of 28 architectures"),
        (RepeatingStrategy, laws.a_finite_space_is_exhausted, "the strategy repeats itself"),
        (RepeatingStrategy, laws.a_space_of_one_is_exhausted, "did not end"),
        (
            RepeatingStrategy,
            laws.infeasible_trials_do_not_break_it,
            "it stopped: the strategy repeats itself",
        ),
        (Greedy, laws.a_failing_evaluator_does_not_break_it, "KeyError"),
        (Greedy, laws.an_all_failing_evaluator_does_not_break_it, "KeyError"),
        (
            lambda: FailingStrategy(after=5),
            laws.several_objectives_do_not_break_it,
            "RuntimeError: This strategy fails on purpose after 5 trials",
        ),
    ],
)
def test_the_suite_finds_a_broken_law(make_strategy, law, says) -> None:
    state = random.getstate()
    with pytest.raises(AssertionError, match=f"(?s)law '{law.__name__}' is broken.*({says})"):
        assert_laws([law], make_strategy)
    random.setstate(state)


def test_a_good_strategy_passes_the_suite() -> None:
    assert_laws(STRATEGY_LAWS, Random)
