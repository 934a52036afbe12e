"""The laws of `Strategy`, for any implementation.

Each law is a function of `make_strategy`, which makes a new instance, always with the same arguments:

    @pytest.mark.parametrize("law", STRATEGY_LAWS, ids=lambda law: law.__name__)
    def test_strategy(law):
        law(lambda: MyStrategy(population=5))

`assert_laws(STRATEGY_LAWS, make_strategy)` applies all of them and names a broken one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from retia.errors import InfeasibleArchitecture
from retia.rng import stream
from retia.space import Architecture, Categorical, Clause, Condition, Integer, Parameter, SearchSpace
from retia.strategy import Strategy
from retia.study import Study, architecture_evaluator
from retia.testing.fakes import ConstantEvaluator, FailingEvaluator, HashCosts, unit_of
from retia.testing.generators import unmoved_generators
from retia.trial import Constraint, History, Objective, Proposal, Run, Trial

__all__ = ["STRATEGY_LAWS", "MakeStrategy", "StrategyLaw", "example_space"]

MakeStrategy: TypeAlias = Callable[[], Strategy]
"""Function that makes a fresh strategy, always with the same arguments."""
StrategyLaw: TypeAlias = Callable[[MakeStrategy], None]
"""Function that raises AssertionError if a strategy breaks the law."""

ACCURACY = (Objective("accuracy", "maximize"),)
BOTH = (*ACCURACY, Objective("params", "minimize"))


def example_space() -> SearchSpace:
    """Return a finite conditional space of 4 x (1 + 3 x 2) = 28 architectures."""
    convolution = Condition(((Clause("op", frozenset({"conv"})),),))
    return SearchSpace(
        [
            Parameter("depth", Integer(1, 4)),
            Parameter("op", Categorical(("skip", "conv"))),
            Parameter("kernel", Categorical((3, 5, 7)), convolution),
            Parameter("bias", Categorical((False, True)), convolution),
        ]
    )


def proposals_are_valid(make_strategy: MakeStrategy) -> None:
    """At most `n` proposals are returned, all in the space, and a parent is a trial of the history."""
    space, strategy, history = example_space(), make_strategy(), History(ACCURACY)
    for n in (1, 3, 1, 2, 4, 1, 1, 5, 1):
        proposals = _propose(strategy, space, history, n)
        assert len(proposals) <= n, f"expected at most {n} proposals, got {len(proposals)}"
        for proposal in proposals:
            assert isinstance(proposal, Proposal), f"a proposal must be a retia.Proposal, got {proposal!r}"
            assert proposal.architecture in space, f"{proposal.architecture!r} is not in the space"
            assert proposal.parent is None or proposal.parent < len(history), (
                f"the parent {proposal.parent} is not a trial of the history"
            )
        for proposal in proposals:
            _add(history, proposal)


def what_it_keeps_is_only_a_cache(make_strategy: MakeStrategy) -> None:
    """After forty trials, and after another study, an instance proposes the same as a fresh one."""
    strategy, space = make_strategy(), _wide_space()
    for seed in (0, 1):
        history = History(ACCURACY)
        for _ in range(40):
            lived = _propose(strategy, space, history, 1, seed)
            fresh = _propose(make_strategy(), space, _copied(history), 1, seed)
            assert list(lived) == list(fresh), (
                f"after {len(history)} trials it proposed {lived}, a fresh instance {fresh}"
            )
            assert lived, f"it proposed nothing after {len(history)} of {space.size()} architectures"
            _add(history, lived[0])


def proposing_twice_changes_nothing(make_strategy: MakeStrategy) -> None:
    """Two equal calls return equal proposals: a proposal that was never started is not lost."""
    strategy, space, history = make_strategy(), example_space(), History(ACCURACY)
    for _ in range(12):
        first, second = (list(_propose(strategy, space, history, 2)) for _ in range(2))
        assert first == second, f"two equal calls returned {first} and {second}"
        if first:
            _add(history, first[0])


def randomness_comes_from_the_argument(make_strategy: MakeStrategy) -> None:
    """The global generators of Python and numpy are not used."""
    with unmoved_generators():
        _live(make_strategy(), example_space(), trials=12)


def the_history_is_only_read(make_strategy: MakeStrategy) -> None:
    """`propose` does not change the trials, their order or the objectives."""
    strategy, space, history = make_strategy(), example_space(), History(ACCURACY)
    for _ in range(10):
        before = (list(history), list(history.evaluated), set(history.architectures), list(history.front))
        proposals = _propose(strategy, space, history, 2)
        after = (list(history), list(history.evaluated), set(history.architectures), list(history.front))
        assert before == after, "the history was changed"
        for proposal in proposals:
            _add(history, proposal)


def a_finite_space_is_exhausted(make_strategy: MakeStrategy) -> None:
    """A study proposes every architecture of a finite space once, and then stops."""
    space = example_space()
    study = Study(space, _score, maximize="accuracy")
    reason = study.run(make_strategy(), trials=1000)
    assert reason == "search space exhausted", (
        f"it stopped because of: {reason}, after {len(study.trials)} of {space.size()} trials"
    )
    assert {trial.architecture for trial in study.trials} == set(space.enumerate()), (
        "not every architecture was proposed"
    )


def a_space_of_one_is_exhausted(make_strategy: MakeStrategy) -> None:
    """In a space of one architecture, a study stops after the baseline."""
    study = Study(SearchSpace({"width": Categorical((16,))}), ConstantEvaluator(), maximize="score")
    assert study.run(make_strategy(), trials=10) == "search space exhausted", (
        "a space of one architecture did not end"
    )
    assert len(study.trials) == 1, f"{len(study.trials)} trials of one architecture"


def a_constant_evaluator_does_not_break_it(make_strategy: MakeStrategy) -> None:
    """It continues if all trials have the same value."""
    study = Study(_wide_space(), ConstantEvaluator(), maximize="score")
    assert study.run(make_strategy(), trials=30) == "trials done", f"it stopped: {study.stop_reason}"


def a_failing_evaluator_does_not_break_it(make_strategy: MakeStrategy) -> None:
    """It continues after failed trials, including the first."""
    space = _wide_space()
    study = Study(
        space, FailingEvaluator(share=0.15), maximize="score", baseline=_that(space, lambda unit: unit < 0.15)
    )
    assert study.run(make_strategy(), trials=30, failures="ignore") == "trials done", (
        f"it stopped: {study.stop_reason}"
    )
    assert study.history.count("failed"), "no trial failed, so nothing was tested"


def an_all_failing_evaluator_does_not_break_it(make_strategy: MakeStrategy) -> None:
    """It continues to propose without a completed trial, until the study gives up."""
    study = Study(_wide_space(), FailingEvaluator(), maximize="score")
    assert study.run(make_strategy(), trials=30, failures="ignore") == "too many failures", (
        f"it stopped: {study.stop_reason}"
    )


def infeasible_trials_do_not_break_it(make_strategy: MakeStrategy) -> None:
    """It finds feasible architectures if a constraint rejects most of them before training."""
    study = Study(
        _wide_space(), _score, maximize="accuracy", constraints=["params <= 300"], costs=HashCosts()
    )
    assert study.run(make_strategy(), trials=20) == "trials done", f"it stopped: {study.stop_reason}"
    assert study.history.count("infeasible"), "no trial was rejected, so nothing was tested"
    assert study.best.metrics["params"] <= 300, "the best trial breaks the constraint"


def rejected_architectures_do_not_break_it(make_strategy: MakeStrategy) -> None:
    """It finds working models if most architectures are rejected, before or after a trial starts."""
    space = _wide_space()
    default = space.default()
    for unbounded in (True, False):
        evaluator = _Rejecting(default)
        constraints, costs = (None, None) if unbounded else (["params <= 700"], HashCosts())
        study = Study(space, evaluator, maximize="accuracy", constraints=constraints, costs=costs)
        assert study.run(make_strategy(), trials=20) == "trials done", f"it stopped: {study.stop_reason}"
        rejected = {trial.architecture for trial in study.trials if trial.rejected}
        assert rejected, "no trial was rejected, so nothing was tested"
        assert len(rejected) == sum(trial.rejected for trial in study.trials), (
            "a rejected architecture was proposed again"
        )


def what_it_keeps_of_rejected_architectures_is_only_a_cache(make_strategy: MakeStrategy) -> None:
    """After rejected trials, an instance proposes the same as a fresh one, with one or two objectives."""
    space = _wide_space()
    for objectives in (ACCURACY, BOTH):
        strategy, history = make_strategy(), History(objectives)
        for step in range(40):
            lived = _propose(strategy, space, history, 1)
            fresh = _propose(make_strategy(), space, _copied(history), 1)
            assert list(lived) == list(fresh), (
                f"after {len(history)} trials it proposed {lived}, a fresh instance {fresh}"
            )
            trial = _begin(history, lived[0])
            if step % 3:
                _propose(strategy, space, history, 1)  # the strategy sees the running trial
                history.record(trial.end("infeasible", at=1.0, error="shapes do not fit"))
            else:
                _end(history, trial)


def several_objectives_do_not_break_it(make_strategy: MakeStrategy) -> None:
    """It supports two objectives, with and without a constraint."""
    space, strategy = _wide_space(), make_strategy()
    for constraints in ((), (Constraint("params", upper=0.5),)):
        history = History(BOTH, constraints)
        for _ in range(40):
            (proposal,) = _propose(strategy, space, history, 1)
            assert proposal.architecture in space, f"{proposal.architecture!r} is not in the space"
            _add(history, proposal)


def running_trials_do_not_break_it(make_strategy: MakeStrategy) -> None:
    """It waits or proposes while trials run, and continues when they have ended."""
    strategy, space, history = make_strategy(), _wide_space(), History(ACCURACY)
    running: list[Trial] = []
    for step in range(60):
        fresh = (one for one in _propose(strategy, space, history, 3) if _new(history, one))
        running.extend(_begin(history, proposal) for proposal in fresh)
        if running and (step % 2 or len(running) > 6):
            _end(history, running.pop(step % len(running)))
    assert history.count("completed") >= 20, (
        f"it proposed only {len(history)} trials in 60 rounds while others were running"
    )


def a_study_with_workers_ends_alike(make_strategy: MakeStrategy) -> None:
    """It exhausts a finite space with several proposals at once."""
    space, strategy, history = example_space(), make_strategy(), History(ACCURACY)
    for _ in range(200):
        fresh = [proposal for proposal in _propose(strategy, space, history, 4) if _new(history, proposal)]
        if not fresh:
            break
        begun = [
            _begin(history, one) for one in {(one.architecture, one.fidelity): one for one in fresh}.values()
        ]
        for trial in reversed(begun):  # the last ends first
            _end(history, trial)
    tried = len(history.architectures)
    assert tried == space.size(), f"it ended after {tried} of {space.size()} architectures"


STRATEGY_LAWS: tuple[StrategyLaw, ...] = (
    proposals_are_valid,
    what_it_keeps_is_only_a_cache,
    proposing_twice_changes_nothing,
    randomness_comes_from_the_argument,
    the_history_is_only_read,
    a_finite_space_is_exhausted,
    a_space_of_one_is_exhausted,
    a_constant_evaluator_does_not_break_it,
    a_failing_evaluator_does_not_break_it,
    an_all_failing_evaluator_does_not_break_it,
    infeasible_trials_do_not_break_it,
    rejected_architectures_do_not_break_it,
    what_it_keeps_of_rejected_architectures_is_only_a_cache,
    several_objectives_do_not_break_it,
    running_trials_do_not_break_it,
    a_study_with_workers_ends_alike,
)
"""What every strategy must keep."""


def _wide_space() -> SearchSpace:
    return SearchSpace({f"op{i}": Categorical(("skip", "conv", "pool")) for i in range(6)})


@architecture_evaluator
def _score(architecture: Architecture, run: Run) -> Mapping[str, float]:
    del run
    return {"accuracy": unit_of(architecture)}


@dataclass(frozen=True)
class _Rejecting:
    """Evaluator that rejects two thirds of the architectures, but not the default."""

    default: Architecture

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        del run
        if architecture != self.default and unit_of(architecture, "shapes") < 2 / 3:
            msg = f"{architecture.key} is not a working model."
            raise InfeasibleArchitecture(msg)
        return {"accuracy": unit_of(architecture)}


def _that(space: SearchSpace, holds: Callable[[float], bool]) -> Architecture:
    return next(architecture for architecture in space.enumerate() if holds(unit_of(architecture)))


def _propose(
    strategy: Strategy, space: SearchSpace, history: History, n: int, seed: int = 0
) -> Sequence[Proposal]:
    """Propose like a study, which retries with other random numbers after known proposals."""
    proposals: Sequence[Proposal] = []
    for attempt in range(100):
        proposals = strategy.propose(space, history, n, stream(seed, "propose", len(history), attempt))
        if not proposals or any(_new(history, one) for one in proposals):
            break
    return proposals


def _begin(history: History, proposal: Proposal) -> Trial:
    trial = Trial(len(history), proposal.architecture, parent=proposal.parent, fidelity=proposal.fidelity)
    history.record(trial)
    return trial


def _end(history: History, trial: Trial) -> None:
    unit = unit_of(trial.architecture)
    history.record(
        trial.end(
            "completed", at=1.0, metrics={"accuracy": unit, "params": unit_of(trial.architecture, "params")}
        )
    )


def _add(history: History, proposal: Proposal) -> None:
    if _new(history, proposal):
        _end(history, _begin(history, proposal))


def _new(history: History, proposal: Proposal) -> bool:
    return history.find(proposal.architecture, proposal.fidelity) is None


def _copied(history: History) -> History:
    return History(history.objectives, history.constraints, list(history))


def _live(strategy: Strategy, space: SearchSpace, trials: int) -> History:
    history = History(ACCURACY)
    for _ in range(trials):
        for proposal in _propose(strategy, space, history, 1):
            _add(history, proposal)
    return history
