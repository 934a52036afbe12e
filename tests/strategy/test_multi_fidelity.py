"""Successive halving, ASHA and Hyperband, by hand-computed tables."""

from collections import Counter

import numpy as np
import pytest

from retia.errors import SpaceError, StudyError
from retia.rng import stream
from retia.space import Integer, SearchSpace
from retia.strategy import (
    ASHA,
    BOHB,
    Filtered,
    Hyperband,
    Listed,
    MedianStop,
    Random,
    RegularizedEvolution,
    SuccessiveHalving,
    geometric_fidelities,
)
from retia.strategy.multi_fidelity.brackets import Bracket
from retia.trial import Constraint, History, Objective, Proposal, Trial

SPACE = SearchSpace({"x": Integer(0, 9_999)})
UP = (Objective("y", "maximize"),)


def at(x):
    return SPACE.validate({"x": x})


def history_of(*trials, constraints=()):
    """Make a history of (x, fidelity, y): a trial that runs where y is None, one that failed where it is
    NaN.
    """
    history = History(UP, constraints)
    for number, (x, fidelity, y) in enumerate(trials):
        trial = Trial(number, at(x), fidelity=fidelity)
        history.record(trial)
        if y is not None:
            history.record(
                trial.end("failed", at=1.0, error="no")
                if y != y
                else trial.end("completed", at=1.0, metrics={"y": y})
            )
    return history


def asked(strategy, history, n=1, seed=0):
    return [
        (one.architecture["x"], one.fidelity, one.parent)
        for one in strategy.propose(SPACE, history, n, stream(seed, "ask", len(history)))
    ]


def listed(*xs):
    return Listed([{"x": x} for x in xs])


class Spy:
    """Proposes at random, and remembers what it was shown."""

    def __init__(self, inner=None):
        self.inner = inner or Random()
        self.shown = []

    def propose(self, space, history, n, rng):
        self.shown.append([(t.number, t.architecture["x"], t.fidelity, t.parent, t.state) for t in history])
        self.architectures = {architecture["x"] for architecture in history.architectures}
        return self.inner.propose(space, history, n, rng)


def run(strategy, trials, score=lambda x, fidelity: x, workers=1):
    """Run a strategy until there are so many trials, or it has no more; with several workers the last that
    began ends first.
    """
    history, running = History(UP), []
    while True:
        room = min(workers - len(running), trials - len(history))
        proposals = strategy.propose(SPACE, history, room, stream(0, "propose", len(history))) if room else []
        assert len(proposals) <= room
        for one in proposals:
            assert history.find(one.architecture, one.fidelity) is None
            trial = Trial(len(history), one.architecture, fidelity=one.fidelity, parent=one.parent)
            history.record(trial)
            running.append(trial)
        if not proposals:
            if not running:
                return history
            trial = running.pop()
            history.record(
                trial.end(
                    "completed", at=1.0, metrics={"y": float(score(trial.architecture["x"], trial.fidelity))}
                )
            )


# --- ASHA


def test_asha_promotes_the_best_third_of_a_rung_and_no_more():
    # Seven have completed, one runs: 7 // 3 = 2 are promoted, the best first, with the lower trial as the
    # parent.
    rung = [
        (10, 1, 0.1),
        (11, 1, 0.7),
        (12, 1, 0.3),
        (13, 1, 0.9),
        (14, 1, None),
        (15, 1, 0.2),
        (16, 1, 0.5),
        (17, 1, 0.4),
    ]
    strategy = ASHA(listed(50, 51, 52), fidelities=(1, 3, 9))
    assert asked(strategy, history_of(*rung), 4) == [(13, 3, 3), (11, 3, 1), (50, 1, None), (51, 1, None)]
    assert asked(strategy, history_of(*rung), 1) == [(13, 3, 3)]
    # What has been promoted is not promoted again, in whatever state the promotion is.
    for y in (None, 0.0, float("nan")):
        assert asked(strategy, history_of(*rung, (13, 3, y)), 2) == [(11, 3, 1), (50, 1, None)]
    # Two more end: 9 // 3 = 3.
    assert asked(strategy, history_of(*rung, (13, 3, None), (18, 1, 0.0), (19, 1, 0.8)), 4) == [
        (19, 3, 10),
        (11, 3, 1),
        (50, 1, None),
        (51, 1, None),
    ]


def test_asha_looks_at_the_highest_rung_first_and_the_last_is_all():
    rung0 = [
        (10, 1, 0.1),
        (11, 1, 0.7),
        (12, 1, 0.3),
        (13, 1, 0.9),
        (14, 1, 0.0),
        (15, 1, 0.2),
        (16, 1, 0.5),
        (17, 1, 0.4),
        (18, 1, 0.6),
    ]
    rung1 = [(13, 3, 0.91), (11, 3, 0.95)]
    strategy = ASHA(listed(50), fidelities=(1, 3, 9))
    assert asked(strategy, history_of(*rung0, *rung1), 2) == [(18, 3, 8), (50, 1, None)]
    full = history_of(*rung0, *rung1, (18, 3, 0.1))
    assert asked(strategy, full, 2) == [(11, None, 10), (50, 1, None)]
    assert asked(strategy, history_of(*rung0, *rung1, (18, 3, 0.1), (11, None, 0.2)), 2) == [(50, 1, None)]


def test_asha_takes_the_factor_of_the_fidelities_unless_it_is_given():
    rung = [(x, 12, x / 100) for x in range(20)]
    assert asked(ASHA(listed(50), fidelities=(12, 200)), history_of(*rung), 9) == [
        (19, None, 19),
        (50, 12, None),
    ]  # 20 // 16.7 = 1
    assert [x for x, _, _ in asked(ASHA(listed(50), fidelities=(12, 200), eta=5), history_of(*rung), 9)] == [
        19,
        18,
        17,
        16,
        50,
    ]


def test_asha_ranks_by_the_constraints_first():
    rung = [(1, 1, 0.9), (2, 1, 0.1), (3, 1, 0.2)]
    assert asked(
        ASHA(listed(50), fidelities=(1, 3)), history_of(*rung, constraints=[Constraint("y", upper=0.15)]), 1
    ) == [(2, None, 1)]


def test_asha_does_not_wait():
    history = run(ASHA(Random(), fidelities=(1, 3, 9)), 60, workers=4)
    assert len(history) == 60
    assert history.count("completed") == 60


def test_asha_promotes_what_is_due_and_nothing_else():
    history = run(ASHA(Random(), fidelities=(1, 3, 9)), 150)
    labels = [1, 3, None]
    for trial in history:
        best = {}
        for label in labels:
            rung = sorted(
                (one for one in history if one.number < trial.number and one.fidelity == label),
                key=lambda one: -one.metrics["y"],
            )
            best[label] = {one.number for one in rung[: len(rung) // 3]}
        promoted = {one.parent for one in history if one.number < trial.number}
        due = [
            number
            for label in (3, 1)
            for number in sorted(best[label] - promoted, key=lambda number: -history[number].metrics["y"])
        ]
        assert trial.parent == (due[0] if due else None)
        assert trial.fidelity == (labels[labels.index(history[due[0]].fidelity) + 1] if due else 1)
    assert min(Counter(trial.fidelity for trial in history).values()) > 10


def test_what_was_tried_at_another_fidelity_is_not_proposed_anew():
    strategy = ASHA(listed(7, 8, 9), fidelities=(1, 3))
    assert asked(strategy, history_of((7, None, 0.5)), 2) == [(8, 1, None), (9, 1, None)]
    assert asked(strategy, history_of((7, None, 0.5), (8, None, 0.5)), 1) == [(9, 1, None)]
    assert asked(strategy, history_of(*[(x, None, 0.5) for x in (7, 8, 9)]), 1) == [
        (7, 1, None)
    ]  # nothing else is left: the study decides


# --- what the strategy within sees


def test_the_strategy_within_sees_the_lowest_rung_alone():
    spy = Spy()
    history = History(UP)
    trials = [
        Trial(0, at(7), "completed", {"y": 0.3}),
        Trial(1, at(8), "completed", {"y": 0.4}, fidelity=1),
        Trial(2, at(9), "completed", {"y": 0.1}, fidelity=1, parent=1),
        Trial(3, at(5), "completed", {"y": 0.2}, fidelity=1, parent=0),
        Trial(4, at(8), "completed", {"y": 0.5}, fidelity=3, parent=1),
        Trial(5, at(6), fidelity=1, parent=3),
    ]
    for trial in trials:
        history.record(trial)
    ASHA(spy, fidelities=(1, 3, 9)).propose(SPACE, history, 2, np.random.default_rng(0))
    # Numbered anew; parents of another fidelity are none; the baseline counts as proposed.
    assert spy.shown[-1] == [
        (0, 8, None, None, "completed"),
        (1, 9, None, 0, "completed"),
        (2, 5, None, None, "completed"),
        (3, 6, None, 2, "running"),
    ]
    assert spy.architectures == {5, 6, 7, 8, 9}


def test_parents_are_those_of_the_whole_history():
    history = run(ASHA(RegularizedEvolution(population=4, tournament=2), fidelities=(1, 3)), 60)
    mutants = [trial for trial in history if trial.parent is not None and trial.fidelity == 1]
    assert len(mutants) > 20
    for trial in mutants:
        parent = history[trial.parent]
        assert parent.number < trial.number
        assert parent.fidelity == 1
        assert SPACE.distance(parent.architecture, trial.architecture) > 0


def test_hyperband_shows_the_highest_fidelity_with_enough_results():
    spy = Spy()
    strategy = Hyperband(spy, fidelities=(1, 3, 9), enough=3)
    rung = [(x, 1, x / 100) for x in range(4)]
    strategy.propose(SPACE, history_of(*rung[:2]), 1, np.random.default_rng(0))
    assert [x for _, x, *_ in spy.shown[-1]] == [0, 1]  # the lowest, as none has enough
    strategy.propose(SPACE, history_of(*rung, (2, 3, 0.1), (3, 3, 0.2)), 1, np.random.default_rng(0))
    assert [x for _, x, *_ in spy.shown[-1]] == [0, 1, 2, 3]
    strategy.propose(
        SPACE, history_of(*rung, (1, 3, 0.1), (2, 3, 0.1), (3, 3, 0.2)), 1, np.random.default_rng(0)
    )
    assert [x for _, x, *_ in spy.shown[-1]] == [1, 2, 3]
    assert spy.architectures == {0, 1, 2, 3}


# --- successive halving


def test_successive_halving_waits_for_its_rung():
    entries = [(x, 1, (x * 7 % 9) / 10) for x in range(9)]  # the best by y: 5 (0.8), 1 (0.7), 6 (0.6)
    strategy = SuccessiveHalving(listed(*range(90)), fidelities=(1, 3, 9))
    assert asked(strategy, history_of(), 20) == [(x, 1, None) for x in range(9)]
    assert asked(strategy, history_of(*entries[:7]), 4) == [(7, 1, None), (8, 1, None)]
    assert asked(strategy, history_of(*entries[:8], (8, 1, None)), 4) == []
    assert asked(strategy, history_of(*entries), 4) == [(5, 3, 5), (1, 3, 1), (6, 3, 6)]
    assert asked(strategy, history_of(*entries, (5, 3, 0.1), (1, 3, None)), 4) == [(6, 3, 6)]
    assert asked(strategy, history_of(*entries, (5, 3, 0.1), (1, 3, None), (6, 3, 0.3)), 4) == []
    assert asked(strategy, history_of(*entries, (5, 3, 0.1), (1, 3, 0.2), (6, 3, 0.3)), 4) == [(6, None, 11)]
    assert (
        asked(strategy, history_of(*entries, (5, 3, 0.1), (1, 3, 0.2), (6, 3, 0.3), (6, None, None)), 4) == []
    )
    # Then it begins again.
    assert asked(
        strategy, history_of(*entries, (5, 3, 0.1), (1, 3, 0.2), (6, 3, 0.3), (6, None, 0.5)), 4
    ) == [(x, 1, None) for x in (9, 10, 11, 12)]


@pytest.mark.parametrize("workers", [1, 4])
def test_successive_halving_spends_the_same_on_each_bracket(workers):
    history = run(
        SuccessiveHalving(Random(), fidelities=(1, 3, 9, 27)), 3 * (27 + 9 + 3 + 1), workers=workers
    )
    assert Counter(trial.fidelity for trial in history) == {1: 81, 3: 27, 9: 9, None: 3}
    own = {1: 1, 3: 2, 9: 6, None: 18}  # epochs, each from where the lower trial has ended
    assert sum(own[trial.fidelity] for trial in history) == 3 * (27 * 1 + 9 * 2 + 3 * 6 + 1 * 18)
    for first in range(0, 120, 40):
        best = max(history[number].architecture["x"] for number in range(first, first + 27))
        assert history[first + 39].architecture["x"] == best


def test_what_fails_leaves_its_place_empty():
    nan = float("nan")
    strategy = SuccessiveHalving(listed(*range(90)), fidelities=(1, 3), entries=6)
    assert asked(strategy, history_of(*[(x, 1, nan) for x in range(5)], (5, 1, 0.1)), 4) == [(5, None, 5)]
    assert asked(strategy, history_of(*[(x, 1, nan) for x in range(6)]), 2) == [(6, 1, None), (7, 1, None)]
    failed_promotion = [*[(x, 1, x / 10) for x in range(6)], (5, None, nan), (4, None, 0.3)]
    assert asked(strategy, history_of(*failed_promotion), 1) == [(6, 1, None)]


def test_a_bracket_that_can_not_be_filled_goes_on_with_what_there_is():
    space = SearchSpace({"x": Integer(0, 13)})
    history = History(UP)
    strategy = SuccessiveHalving(Random(), fidelities=(1, 3, 9))
    while proposals := strategy.propose(space, history, 1, stream(0, "propose", len(history))):
        trial = Trial(
            len(history),
            proposals[0].architecture,
            fidelity=proposals[0].fidelity,
            parent=proposals[0].parent,
        )
        history.record(trial.end("completed", at=1.0, metrics={"y": float(trial.architecture["x"])}))
    # Nine enter the first bracket; five are left for the second, of which 5 * 3 // 9 = 1 goes on.
    assert Counter(trial.fidelity for trial in history) == {1: 14, 3: 3 + 1, None: 1 + 1}


def test_what_was_rejected_takes_no_place():
    history = history_of(*[(x, 1, x / 10) for x in range(8)])
    rejected = Trial(8, at(8), fidelity=1)
    history.record(rejected.end("infeasible", at=1.0, metrics={"params": 9.0}))
    assert asked(SuccessiveHalving(listed(8, 9, 10), fidelities=(1, 3, 9)), history, 3) == [(9, 1, None)]


# --- Hyperband


def test_the_brackets_are_those_of_the_paper():
    brackets = Hyperband(Random(), fidelities=geometric_fidelities(1, 81)).brackets
    assert brackets == (
        Bracket((81, 27, 9, 3, 1), (1, 3, 9, 27, None)),
        Bracket((34, 11, 3, 1), (3, 9, 27, None)),
        Bracket((15, 5, 1), (9, 27, None)),
        Bracket((8, 2), (27, None)),
        Bracket((5,), (None,)),
    )


@pytest.mark.parametrize("workers", [1, 5])
def test_a_round_of_hyperband_runs_its_brackets(workers):
    brackets = Hyperband(Random(), fidelities=(1, 3, 9, 27, 81)).brackets
    total = sum(sum(bracket.sizes) for bracket in brackets)
    assert total == 206
    strategy = Hyperband(Random(), fidelities=(1, 3, 9, 27, 81))
    history = run(strategy, total, workers=workers)
    assert Counter(trial.fidelity for trial in history) == {
        1: 81,
        3: 27 + 34,
        9: 9 + 11 + 15,
        27: 3 + 3 + 5 + 8,
        None: 1 + 1 + 1 + 2 + 5,
    }
    # In order: an architecture enters where it is tried first.
    entered = [trial.fidelity for trial in history if trial.parent is None]
    assert entered == [1] * 81 + [3] * 34 + [9] * 15 + [27] * 8 + [None] * 5
    assert asked(strategy, history, 1)[0][1:] == (1, None)  # the next round


def test_a_baseline_at_all_fidelity_enters_no_bracket():
    baseline = (5, None, 0.5)
    strategy = Hyperband(listed(*range(100, 200)), fidelities=(1, 2))  # brackets of 2 and of 2
    past = [baseline, (100, 1, 0.1), (101, 1, 0.2), (101, None, 0.3)]
    assert asked(strategy, history_of(*past), 4) == [(102, None, None), (103, None, None)]
    assert asked(strategy, history_of(*past, (102, None, 0.1)), 4) == [(103, None, None)]


# --- what can't be


WRAPPERS = [
    lambda inner, **more: ASHA(inner, **{"fidelities": (1, 3), **more}),
    lambda inner, **more: SuccessiveHalving(inner, **{"fidelities": (1, 3), **more}),
    lambda inner, **more: Hyperband(inner, **{"fidelities": (1, 3), **more}),
]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_only_strategies_that_propose_architectures_are_wrapped(wrap):
    with pytest.raises(StudyError, match="must wrap an object with a method propose"):
        wrap(Random)
    for inner in (
        ASHA(Random(), fidelities=(1, 3)),
        MedianStop(BOHB(fidelities=(1, 3))),
        Filtered(ASHA(Random(), fidelities=(1, 3)), bool),
    ):
        with pytest.raises(
            StudyError, match="sets the fidelities of trials, and so does (ASHA|BOHB) inside it"
        ):
            wrap(inner)


@pytest.mark.parametrize("wrap", [*WRAPPERS, lambda inner, **more: BOHB(**more)])
@pytest.mark.parametrize(
    "fidelities", [(), (1,), (3, 1), (1, 1), (0, 1), (1, float("inf")), (1, float("nan"), 3)]
)
def test_fidelities_grow(wrap, fidelities):
    with pytest.raises(SpaceError, match="at least two fidelities, positive and increasing"):
        wrap(Random(), fidelities=fidelities)


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("eta", [1, 0.5, float("nan")])
def test_eta_is_above_one(wrap, eta):
    with pytest.raises(SpaceError, match=f"'eta' of .* must be a number > 1, got {eta}"):
        wrap(Random(), eta=eta)


def test_numbers_in_their_range():
    with pytest.raises(
        SpaceError, match="'entries' of SuccessiveHalving must be an integer of at least 1, got 0"
    ):
        SuccessiveHalving(Random(), fidelities=(1, 3), entries=0)
    with pytest.raises(SpaceError, match="'enough' of Hyperband must be an integer of at least 1, got 0"):
        Hyperband(Random(), fidelities=(1, 3), enough=0)
    for least, most, eta in ((0, 1, 3), (3, 1, 3), (1, float("inf"), 3), (1, 3, 1)):
        with pytest.raises(
            SpaceError, match=f"0 < least < most and eta above 1, got least={least}, most={most}, eta={eta}"
        ):
            geometric_fidelities(least, most, eta=eta)


def test_geometric_fidelities_end_with_the_greatest():
    assert geometric_fidelities(1, 81) == (1, 3, 9, 27, 81)
    assert geometric_fidelities(1, 80) == pytest.approx((80 / 27, 80 / 9, 80 / 3, 80))
    assert geometric_fidelities(2, 32, eta=4) == (2, 8, 32)


def test_limits_of_the_strategy_within_are_kept():
    history = History(UP)
    for number in range(5):
        trial = Trial(number, at(number), fidelity=1)
        history.record(
            trial.end(
                "completed", at=1.0, metrics={"y": number / 10}, progress=({"step": 1.0, "y": number / 10},)
            )
        )
    (proposal,) = ASHA(MedianStop(listed(9)), fidelities=(1, 100)).propose(
        SPACE, history, 1, np.random.default_rng(0)
    )
    assert proposal == Proposal(at(9), 1, None, proposal.limits)
    assert proposal.limits.steps == ((1.0, -0.2),)
