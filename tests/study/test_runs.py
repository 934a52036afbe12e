import contextlib
import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from retia.errors import EvaluationError, ExecutorError, InfeasibleArchitecture, StudyError
from retia.space import Architecture, Categorical, Integer, Real, SearchSpace
from retia.strategy import GridSearch, LocalSearch, Random, RegularizedEvolution
from retia.study import Event, Study, architecture_evaluator
from retia.testing import (
    ConstantEvaluator,
    FailingEvaluator,
    FailingStrategy,
    HashCosts,
    RepeatingStrategy,
    ReturningEvaluator,
)
from retia.trial import Capabilities, Constraint, Proposal

SPACE = SearchSpace({"a": Integer(1, 5), "b": Categorical(tuple("uvwxyz"))})  # 30 architectures


@architecture_evaluator
def score(architecture):
    return {"score": architecture["a"] * 10 + "uvwxyz".index(architecture["b"])}


class Sequence:
    """Proposes these, one after the other, again and again."""

    def __init__(self, *proposals):
        self.proposals = [
            one if isinstance(one, Proposal) else Proposal(Architecture(one)) for one in proposals
        ]
        self.calls = 0

    def propose(self, space, history, n, rng):
        self.calls += 1
        return [self.proposals[(self.calls - 1) % len(self.proposals)]]


class Counting:
    """Scores, and remembers what it was called with."""

    def __init__(self):
        self.seen = []

    def __call__(self, architecture, run):
        self.seen.append((architecture, run))
        return {"score": architecture["a"]}


# --- how many, and which


def test_trials_counts_the_whole_study():
    study = Study(SPACE, score, maximize="score")
    assert study.run(Random(), trials=5) == "trials done"
    assert len(study.trials) == 5
    assert study.run(Random(), trials=5) == "trials done"
    assert len(study.trials) == 5
    study.run(Random(), trials=8)
    assert [trial.number for trial in study.trials] == list(range(8))


def test_the_baseline_is_trial_0():
    study = Study(SPACE, score, maximize="score")
    assert study.baseline_trial is None
    study.run(Random(), trials=2)
    assert study.baseline_trial == study.trials[0]
    assert study.trials[0].architecture == SPACE.default()
    given = Study(SPACE, score, maximize="score", baseline={"a": 3, "b": "w"})
    given.run(Random(), trials=1)
    assert given.trials[0].architecture == {"a": 3, "b": "w"}


def test_the_same_seed_is_the_same_study_and_another_another():
    def told(seed):
        study = Study(SPACE, Counting(), maximize="score", seed=seed)
        study.run(RegularizedEvolution(5, 2), trials=15)
        return [(trial.architecture, trial.parent, trial.metrics) for trial in study.trials], [
            run.seed for _, run in study.spec.judge.seen
        ]

    assert told(1) == told(1)
    assert told(1)[0] != told(2)[0]
    assert len(set(told(1)[1])) == 15
    assert not set(told(1)[1]) & set(told(2)[1])


def test_extending_is_the_same_as_running_at_once():
    at_once, in_parts = (Study(SPACE, score, maximize="score") for _ in range(2))
    at_once.run(RegularizedEvolution(5, 2), trials=20)
    for trials in (1, 2, 9, 20):
        in_parts.run(RegularizedEvolution(5, 2), trials=trials)
    assert [trial.architecture for trial in in_parts.trials] == [
        trial.architecture for trial in at_once.trials
    ]


def test_a_known_proposal_is_answered_from_the_records():
    evaluator = Counting()
    study = Study(SPACE, evaluator, maximize="score")
    strategy = Sequence({"a": 1, "b": "u"}, {"a": 2, "b": "u"}, {"a": 2, "b": "u"}, {"a": 3, "b": "u"})
    study.run(strategy, trials=3)
    assert [trial.architecture["a"] for trial in study.trials] == [1, 2, 3]
    assert len(evaluator.seen) == 3


def test_the_same_architecture_at_another_fidelity_is_another_trial():
    evaluator, default = Counting(), SPACE.default()
    study = Study(SPACE, evaluator, maximize="score")
    study.run(
        Sequence(Proposal(default, fidelity=1.0), Proposal(default, fidelity=3.0), Proposal(default)),
        trials=3,
    )
    assert [trial.fidelity for trial in study.trials] == [None, 1.0, 3.0]
    assert [run.fidelity for _, run in evaluator.seen] == [None, 1.0, 3.0]


def test_a_proposal_is_put_in_the_spaces_own_words():
    study = Study(SPACE, score, maximize="score")
    study.run(Sequence({"b": "v", "a": 2}), trials=2)
    assert list(study.trials[1].architecture) == ["a", "b"]


def test_a_strategy_that_leaves_the_space_ends_in_an_error():
    with pytest.raises(ValueError, match=r"'a' takes one of 1..5, got 9"):
        Study(SPACE, score, maximize="score").run(Sequence({"a": 9, "b": "u"}), trials=2)


def test_a_strategy_that_fails_ends_in_its_own_error_and_loses_nothing():
    study = Study(SPACE, score, maximize="score")
    with pytest.raises(RuntimeError, match="This strategy fails on purpose after 3 trials"):
        study.run(FailingStrategy(after=3), trials=10)
    assert [trial.state for trial in study.trials] == ["completed"] * 3
    assert study.stop_reason is None
    assert study.run(Random(), trials=10) == "trials done"


# --- what an evaluator is told


def test_a_run_tells_an_evaluator_where_it_is():
    evaluator = Counting()
    study = Study(SPACE, evaluator, maximize="score", device="meta")
    study.run(Random(), trials=2)
    for (architecture, run), trial in zip(evaluator.seen, study.trials, strict=True):
        assert architecture == trial.architecture
        assert (run.space, run.device, run.directory) == (study.space, "meta", trial.directory)
    assert study.trials[1].directory == study.directory / "00001"


def test_a_bare_number_is_named_by_the_objective():
    study = Study(SPACE, architecture_evaluator(lambda architecture: architecture["a"]), maximize="accuracy")
    study.run(Random(), trials=1)
    assert study.trials[0].metrics == {"accuracy": 1.0}


def test_a_bare_number_is_named_by_the_objective_that_nothing_else_supplies():
    number = architecture_evaluator(lambda architecture: 0.5)
    study = Study(SPACE, number, maximize="accuracy", minimize="params", costs=HashCosts())
    study.run(Random(), trials=1)
    assert set(study.trials[0].metrics) == {"accuracy", "params"}


def test_a_bare_number_is_ambiguous_where_two_are_missing():
    study = Study(SPACE, architecture_evaluator(lambda architecture: 0.5), maximize=["accuracy", "recall"])
    with pytest.raises(
        EvaluationError, match=r"The study needs the metric 'accuracy', but the evaluator returns \['score'\]"
    ):
        study.run(Random(), trials=1)


def test_costs_are_added_unless_the_evaluator_returns_them():
    study = Study(SPACE, score, maximize="score", costs=HashCosts())
    study.run(Random(), trials=2)
    assert all(
        trial.metrics
        == {"params": HashCosts()(trial.architecture, None)["params"], **score(trial.architecture)}
        for trial in study.trials
    )

    @architecture_evaluator
    def own(architecture, run):
        return {"score": 1, "params": -1}

    study = Study(SPACE, own, maximize="score", costs=HashCosts())
    study.run(Random(), trials=1)
    assert study.trials[0].metrics == {"score": 1, "params": -1}


def test_progress_is_kept_with_the_trial():
    @architecture_evaluator
    def training(architecture):
        yield {"score": 0.1}
        yield {"score": 0.2}

    @architecture_evaluator
    def reporting(architecture, run):
        run.report({"loss": 3})
        run.report({"loss": 2}, step=5)
        return {"score": 1}

    for evaluator, progress in (
        (training, ({"step": 1, "score": 0.1}, {"step": 2, "score": 0.2})),
        (reporting, ({"loss": 3}, {"step": 5, "loss": 2})),
    ):
        study = Study(SPACE, evaluator, maximize="score")
        study.run(Random(), trials=1)
        assert study.trials[0].progress == progress


class Tuned:
    """An evaluator with a field that is searched, a cost and a description."""

    def capabilities(self):
        return Capabilities(
            metrics=("score",),
            parameters={"lr": Real(0.01, 1.0, log=True, default=0.1)},
            costs=HashCosts(),
            settings=lambda: {"lr": "searched"},
        )

    def __call__(self, architecture, run):
        return {"score": -abs(architecture["lr"] - 0.5)}


def test_a_searchable_evaluator_extends_the_space():
    study = Study(SPACE, Tuned(), maximize="score", baseline={"a": 2, "b": "u"})
    study.run(Random(), trials=20)
    assert list(study.space.parameters) == ["a", "b", "lr"]
    assert study.trials[0].architecture == {"a": 2, "b": "u", "lr": 0.1}
    assert len({trial.architecture["lr"] for trial in study.trials}) == 20
    assert study.best.metrics["score"] > -0.4


def test_a_costed_evaluator_brings_its_costs():
    study = Study(SPACE, Tuned(), maximize="score", minimize="params")
    assert isinstance(study.spec.counts, HashCosts)
    other = HashCosts(metric="flops")
    assert Study(SPACE, Tuned(), maximize="score", costs=other).spec.counts is other


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (
            {"maximize": "accuracy"},
            r"The objective 'maximize accuracy' asks for a metric that nothing supplies. There are \['params', 'score'\]",
        ),
        (
            {"maximize": "score", "constraints": ["flops <= 3"]},
            "The constraint 'flops <= 3' asks for a metric that nothing supplies",
        ),
    ],
)
def test_an_objective_that_no_metric_supplies_is_found_before_the_search(wanted, says):
    with pytest.raises(StudyError, match=says):
        Study(SPACE, Tuned(), **wanted)


# --- why it stops


def test_it_stops_when_the_space_is_exhausted():
    for strategy in (GridSearch(), Random(), LocalSearch(), RegularizedEvolution(5, 2)):
        study = Study(SPACE, score, maximize="score")
        assert study.run(strategy, trials=31) == study.stop_reason == "search space exhausted"
        assert len(study.trials) == 30


def test_it_stops_when_the_strategy_repeats_itself():
    strategy = Sequence(SPACE.default())
    study = Study(SPACE, score, maximize="score")
    assert study.run(strategy, trials=3) == "the strategy repeats itself"
    assert len(study.trials) == 1
    assert strategy.calls == 100
    assert (
        Study(SPACE, score, maximize="score").run(RepeatingStrategy(), trials=3)
        == "the strategy repeats itself"
    )


def test_a_repeating_strategy_is_asked_with_other_random_numbers():
    drawn = []

    class Watching(Random):
        def propose(self, space, history, n, rng):
            drawn.append(rng.random())
            return [Proposal(space.default())] if len(drawn) < 10 else super().propose(space, history, n, rng)

    Study(SPACE, score, maximize="score").run(Watching(), trials=2)
    assert len(set(drawn)) == 10


def test_it_stops_when_the_time_is_out():
    @architecture_evaluator
    def slow(architecture, run):
        time.sleep(0.02)
        return {"score": 1}

    study = Study(SPACE, slow, maximize="score")
    assert study.run(Random(), trials=30, timeout=0.1) == "timeout"
    assert 1 <= len(study.trials) < 30
    assert all(trial.state == "completed" for trial in study.trials)
    assert study.run(Random(), trials=30) == "trials done"


def test_it_stops_after_too_many_failures():
    study = Study(SPACE, FailingEvaluator(), maximize="score")
    assert study.run(Random(), trials=30, failures="ignore") == "too many failures"
    assert [trial.state for trial in study.trials] == ["failed"] * 5


def test_failures_are_too_many_when_they_are_more_than_half():
    outcomes = itertools.chain([True] * 6, itertools.repeat(False))  # six good ones, then failures only

    @architecture_evaluator
    def worsening(architecture, run):
        if next(outcomes):
            return {"score": 1}
        raise ArithmeticError("no more")

    study = Study(SPACE, worsening, maximize="score")
    assert study.run(Random(), trials=30) == "too many failures"
    assert study.history.count("failed") == 7


def test_it_stops_when_interrupted_and_goes_on_later():
    calls = itertools.count()

    @architecture_evaluator
    def interrupted(architecture, run):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return {"score": 1}

    study = Study(SPACE, interrupted, maximize="score")
    assert study.run(Random(), trials=6) == "interrupted"
    assert [trial.state for trial in study.trials] == ["completed"] * 3 + ["running"]
    assert study.run(Random(), trials=6) == "trials done"
    assert [trial.state for trial in study.trials] == ["completed"] * 6


# --- failures


def test_a_failing_trial_is_a_result_with_its_traceback():
    @architecture_evaluator
    def picky(architecture, run):
        run.report({"score": 0.5}, step=1)
        if architecture["a"] == 2:
            raise ArithmeticError("two is too much")
        return {"score": architecture["a"]}

    study = Study(SPACE, picky, maximize="score")
    assert study.run(GridSearch(), trials=30) == "trials done"
    failed = [trial for trial in study.trials if trial.state == "failed"]
    assert {trial.architecture["a"] for trial in failed} == {2}
    assert len(failed) == 6
    assert re.search(r"(?s)Traceback.*in picky.*ArithmeticError: two is too much", failed[0].error)
    assert failed[0].progress == ({"step": 1, "score": 0.5},)
    assert study.best.metrics == {"score": 5}


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (None, r"must return a number or a mapping of names to numbers, got None. Is a return missing\?"),
        ("0.93", "must return a number or a mapping of names to numbers, got '0.93'"),
        ({"loss": 1.0, "time": 2}, r"needs the metric 'score', but the evaluator returns \['loss', 'time'\]"),
        (
            {"score": float("nan")},
            r"returned score=nan. Metrics must be finite numbers. Lower the learning rate",
        ),
        ({"score": 1, "loss": float("inf")}, "returned loss=inf"),
        ({}, "an empty one"),
    ],
)
def test_a_broken_contract_ends_the_first_evaluation_and_fails_a_later_one(result, says):
    first = Study(SPACE, ReturningEvaluator(result), maximize="score")
    with pytest.raises(EvaluationError, match=says):
        first.run(Random(), trials=10)
    assert [trial.state for trial in first.trials] == ["running"]
    assert first.stop_reason is None

    later = Study(SPACE, ReturningEvaluator(result, good={"score": 1.0}), maximize="score")
    assert later.run(Random(), trials=10) == "too many failures"
    assert [trial.state for trial in later.trials] == ["completed"] + ["failed"] * 5
    assert re.search(says, later.trials[1].error)


def test_a_baseline_that_fails_ends_the_run_and_is_taken_up_when_the_evaluator_has_been_mended():
    broken = [True]

    @architecture_evaluator
    def evaluator(architecture, run):
        if broken:
            raise FileNotFoundError("train.csv")
        return {"score": architecture["a"]}

    study = Study(SPACE, evaluator, maximize="score")
    with pytest.raises(
        EvaluationError,
        match=r"(?s)The baseline \(trial 0\) fails.*in evaluator.*FileNotFoundError: train.csv",
    ):
        study.run(Random(), trials=3)
    assert [trial.state for trial in study.trials] == ["running"]
    broken.clear()
    assert study.run(Random(), trials=3) == "trials done"
    assert [trial.state for trial in study.trials] == ["completed"] * 3


def test_the_failure_of_the_baseline_can_be_ignored():
    study = Study(SPACE, FailingEvaluator(share=0.5), maximize="score", baseline=_failing(0.5))
    assert study.run(Random(), trials=3, failures="ignore") in ("trials done", "too many failures")
    assert study.trials[0].state == "failed"
    with pytest.raises(StudyError, match="'failures' is 'raise' or 'ignore', got 'skip'"):
        study.run(Random(), trials=3, failures="skip")


def test_the_share_of_failures_is_that_of_the_run():
    broken = [True]

    @architecture_evaluator
    def evaluator(architecture, run):
        if broken and architecture != run.space.default():
            raise OSError("no space left on device")
        return {"score": architecture["a"]}

    study = Study(SPACE, evaluator, maximize="score")
    assert study.run(Random(), trials=20) == "too many failures"
    broken.clear()
    assert study.run(Random(), trials=20) == "trials done"
    assert (study.history.count("completed"), study.history.count("failed")) == (15, 5)


@pytest.mark.parametrize("stored", [True, False])
def test_failed_trials_are_tried_again_first_and_keep_their_errors(stored, tmp_path):
    broken, seen = [True], []

    @architecture_evaluator
    def evaluator(architecture, run):
        seen.append((architecture, run.seed))
        if broken and len(seen) in (3, 5):
            raise OSError(f"call {len(seen)} failed")
        return {"score": architecture["a"]}

    study = Study(SPACE, evaluator, maximize="score", storage=tmp_path / "study.db" if stored else None)
    study.run(Random(), trials=6)
    failed = [trial for trial in study.trials if trial.state == "failed"]
    assert [trial.number for trial in failed] == [2, 4]
    broken.clear()
    assert study.run(Random(), trials=6) == "trials done"
    assert len(seen) == 6
    first = list(seen)
    assert study.run(Random(), trials=7, retry_failed=True) == "trials done"
    assert seen[6:8] == [first[2], first[4]]
    assert len(seen) == 9
    again = study.trials[2]
    assert (again.state, again.architecture, again.error) == ("completed", failed[0].architecture, None)
    (attempt,) = again.attempts
    assert (attempt.error, attempt.started, attempt.ended) == (
        failed[0].error,
        failed[0].started,
        failed[0].ended,
    )
    if stored:
        assert Study.open(tmp_path / "study.db").trials == study.trials


def test_a_trial_that_fails_again_has_two_attempts():
    study = Study(SPACE, FailingEvaluator(share=0.3), maximize="score", baseline=_working(0.3))
    study.run(Random(), trials=12)
    failed = study.history.count("failed")
    assert failed
    study.run(Random(), trials=12, retry_failed=True)
    study.run(Random(), trials=12, retry_failed=True)
    assert study.history.count("failed") == failed
    assert {len(trial.attempts) for trial in study.trials if trial.state == "failed"} == {2}


def test_a_long_error_is_stored_in_part():
    @architecture_evaluator
    def shouting(architecture, run):
        if architecture != run.space.default():
            raise ValueError("x" * 1_000_000 + " the end")
        return {"score": 1}

    study = Study(SPACE, shouting, maximize="score")
    study.run(Random(), trials=2)
    error = study.trials[1].error
    assert len(error) < 21_000
    assert error.startswith("Traceback")
    assert error.endswith(" the end\n")
    assert "characters of this error are left out" in error


# --- architectures that are not working models


@architecture_evaluator
def _misfits(architecture, run):
    if architecture["b"] in "wxyz":
        raise InfeasibleArchitecture(f"{architecture['b']} does not fit")
    return {"score": architecture["a"]}


class RejectingCosts(HashCosts):
    """Rejects what `_misfits` rejects, before training."""

    def __call__(self, architecture, run):
        _misfits(architecture, run)
        return super().__call__(architecture, run)


@pytest.mark.parametrize("bounded", [True, False], ids=["by the loop", "by the job"])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_not_a_working_model_is_infeasible_and_does_not_count(workers, bounded):
    trained = []

    @architecture_evaluator
    def score(architecture):
        trained.append(architecture)
        return {"score": architecture["a"]}

    study = Study(
        SPACE,
        score,
        maximize="score",
        costs=RejectingCosts(),
        constraints=["params <= 1000"] if bounded else None,
    )
    assert study.run(Random(), trials=8, workers=workers) == "trials done"
    rejected = [trial for trial in study.trials if trial.state == "infeasible"]
    assert rejected
    assert all(
        trial.error == f"{trial.architecture['b']} does not fit" and trial.rejected and not trial.metrics
        for trial in rejected
    )
    assert all(trial.architecture["b"] in "uv" for trial in study.trials if trial.state == "completed")
    assert study.history.count("completed") == 8
    assert not study.history.count("failed")
    assert all(architecture["b"] in "uv" for architecture in trained)


def test_an_evaluator_may_reject_an_architecture_too():
    study = Study(SPACE, _misfits, maximize="score")
    assert study.run(GridSearch(), trials=30) == "search space exhausted"
    assert (study.history.count("completed"), study.history.count("infeasible")) == (10, 20)


def test_the_first_misfit_is_an_error_of_a_strict_run():
    study = Study(SPACE, _misfits, maximize="score")
    with pytest.raises(InfeasibleArchitecture, match="w does not fit"):
        study.run(GridSearch(), trials=30, strict=True)
    assert [trial.state for trial in study.trials] == ["completed"] * 2 + ["infeasible"]
    assert study.run(GridSearch(), trials=10) == "trials done"


@pytest.mark.parametrize("failures", ["raise", "ignore"])
@pytest.mark.parametrize(
    "options",
    [{}, {"costs": RejectingCosts(), "constraints": ["params <= 1000"]}],
    ids=["evaluator", "costs"],
)
def test_the_baseline_must_be_a_working_model(options, failures):
    study = Study(SPACE, _misfits, maximize="score", baseline={"a": 1, "b": "x"}, **options)
    with pytest.raises(InfeasibleArchitecture, match="x does not fit"):
        study.run(Random(), trials=3, failures=failures)


def test_a_space_in_which_nothing_else_works_shows_the_last_reason():
    @architecture_evaluator
    def only_the_baseline(architecture, run):
        if architecture != run.space.default():
            raise InfeasibleArchitecture(f"{dict(architecture)} does not fit")
        return {"score": 1.0}

    large = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})
    study = Study(large, only_the_baseline, maximize="score")
    with pytest.raises(
        StudyError,
        match=r"No architecture is a working model \(1000 tried beside the baseline\).*The last one: \{'op0'.*does not fit",
    ):
        study.run(Random(), trials=3)


# --- the randomness of proposals


@pytest.mark.parametrize("workers", [2, 3])
def test_the_trials_of_random_search_do_not_depend_on_how_many_run_at_once(workers):
    @architecture_evaluator
    def uneven(architecture, run):
        time.sleep(0.002 * (architecture["op0"] == "a") + 0.005 * (architecture["op1"] == "b"))
        return {"score": 1.0}

    large = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})
    alone, together = (Study(large, uneven, maximize="score") for _ in range(2))
    alone.run(Random(), trials=200)
    with ThreadPoolExecutor(workers) as executor:
        together.run(Random(), trials=200, executor=executor)
    assert [(trial.number, trial.architecture) for trial in together.trials] == [
        (trial.number, trial.architecture) for trial in alone.trials
    ]


# --- constraints


def test_a_bound_on_a_cost_is_checked_before_training():
    evaluator = Counting()
    study = Study(SPACE, evaluator, maximize="score", constraints=["params <= 500"], costs=HashCosts())
    assert study.run(Random(), trials=10) == "trials done"
    rejected = [trial for trial in study.trials if trial.state == "infeasible"]
    assert rejected
    assert all(trial.metrics["params"] > 500 for trial in rejected)
    assert all(trial.metrics["params"] <= 500 for trial in study.trials[1:] if trial.state == "completed")
    trained = [architecture for architecture, _ in evaluator.seen]
    assert trained == [trial.architecture for trial in study.trials if trial.state == "completed"]
    assert len(trained) == 10  # what is rejected costs nothing and does not count
    assert all(
        set(trial.metrics) == {"params", "score"} for trial in study.trials if trial.state == "completed"
    )


def test_costs_are_counted_once_a_trial():
    counted = []

    class Costs(HashCosts):
        def __call__(self, architecture, run):
            counted.append(architecture)
            return super().__call__(architecture, run)

    study = Study(SPACE, score, maximize="score", constraints=["params <= 900"], costs=Costs())
    study.run(Random(), trials=10)
    assert len(counted) == len(study.trials) == len(set(counted))


def test_the_baseline_is_evaluated_whatever_it_costs():
    study = Study(
        SPACE,
        score,
        maximize="score",
        constraints=["score >= 0", "params <= 500"],
        costs=HashCosts(),
        baseline=_costly(),
    )
    study.run(Random(), trials=3)
    assert study.trials[0].state == "completed"
    assert study.trials[0].metrics["params"] > 500
    assert study.best.number != 0


def test_a_bound_on_what_training_shows_is_checked_after_it():
    study = Study(SPACE, score, maximize="score", constraints=[Constraint("score", upper=33)])
    study.run(GridSearch(), trials=30)
    assert study.history.count("completed") == 30
    assert study.best.metrics["score"] == 33


@pytest.mark.parametrize(
    "strategy",
    [GridSearch(), Random(), LocalSearch(), RegularizedEvolution(5, 2)],
    ids=lambda one: type(one).__name__,
)
def test_a_space_without_a_feasible_architecture_shows_the_range_that_was_seen(strategy):
    study = Study(SPACE, score, maximize="score", constraints=["params <= 0.5"], costs=HashCosts())
    costs = [HashCosts()(architecture, None)["params"] for architecture in SPACE.enumerate()]
    says = (
        "No architecture meets params <= 0.5 (29 tried beside the baseline, "
        f"with params from {min(costs):g} to {max(costs):g}). Loosen the bound"
    )
    with pytest.raises(StudyError, match=re.escape(says)):
        study.run(strategy, trials=10)
    assert study.history.count("completed") == 1


def test_a_space_too_large_to_exhaust_gives_up_as_well():
    space = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(6)})
    study = Study(
        space, ConstantEvaluator(), maximize="score", constraints=["params <= 0.5"], costs=HashCosts()
    )
    with pytest.raises(
        StudyError,
        match=r"No architecture meets params <= 0\.5 \(1000 tried beside the baseline, with params from 1 to 1,000",
    ):
        study.run(Random(), trials=10)


def test_costs_that_fail_fail_their_trial():
    class Costs(HashCosts):
        def __call__(self, architecture, run):
            if architecture["a"] == 3:
                raise ArithmeticError("three can't be built")
            return {"params": 1.0}

    evaluator = Counting()
    study = Study(SPACE, evaluator, maximize="score", constraints=["params <= 1"], costs=Costs())
    study.run(GridSearch(), trials=30)
    assert {trial.architecture["a"] for trial in study.trials if trial.state == "failed"} == {3}
    assert "ArithmeticError: three can't be built" in next(
        trial.error for trial in study.trials if trial.state == "failed"
    )
    assert all(architecture["a"] != 3 for architecture, _ in evaluator.seen)


def test_costs_that_can_never_be_counted_end_the_study():
    class Costs(HashCosts):
        def __call__(self, architecture, run):
            raise EvaluationError("nothing to count")

    with pytest.raises(EvaluationError, match="nothing to count"):
        Study(SPACE, score, maximize="score", constraints=["params <= 1"], costs=Costs()).run(
            Random(), trials=3
        )


# --- who watches


def test_observers_hear_of_every_event_in_its_order():
    heard = []
    study = Study(SPACE, score, maximize="score", constraints=["params <= 500"], costs=HashCosts())
    study.run(
        Random(),
        trials=4,
        observer=lambda event: heard.append((event.kind, event.trial and event.trial.number)),
    )
    expected = [("opened", None)]
    for trial in study.trials:
        expected += [("started", trial.number)] * (trial.state != "infeasible") + [("ended", trial.number)]
    assert heard == [*expected, ("stopped", None)]


def test_events_carry_the_study_the_target_and_the_trial_as_it_is():
    events: list[Event] = []
    study = Study(SPACE, score, maximize="score")
    study.run(Random(), trials=2, observer=events.append)
    study.run(Random(), trials=3, observer=events.append)
    assert all(event.study is study for event in events)
    assert [event.target for event in events] == [2] * 6 + [3] * 4
    assert [event.trial.state for event in events if event.trial] == ["running", "completed"] * 3
    assert [event.kind for event in events if not event.trial] == ["opened", "stopped", "resumed", "stopped"]


def test_the_reason_is_known_when_an_observer_hears_of_the_stop():
    reasons = []
    study = Study(SPACE, score, maximize="score")
    study.run(
        Random(), trials=2, observer=lambda event: reasons.append((event.kind, event.study.stop_reason))
    )
    assert reasons[-1] == ("stopped", "trials done")
    assert {reason for kind, reason in reasons if kind != "stopped"} == {None}


# --- what can't be run


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"trials": 0}, "at least one trial and a positive timeout, got trials=0, timeout=None"),
        ({"trials": 3, "timeout": 0}, "got trials=3, timeout=0"),
        ({"trials": 3, "timeout": -1.5}, "got trials=3, timeout=-1.5"),
        ({"trials": 3.0}, "a whole number, the number of trials of the study, got 3.0"),
        ({"trials": True}, "a whole number, the number of trials of the study, got True"),
    ],
)
def test_a_run_needs_a_trial_and_time(options, says):
    with pytest.raises(StudyError, match=says):
        Study(SPACE, score, maximize="score").run(Random(), **options)


@pytest.mark.parametrize("workers", [0, -1, True, 1.5])
def test_workers_are_a_whole_number_from_1(workers):
    with pytest.raises(ExecutorError, match=f"'workers' must be a whole number of at least 1, got {workers}"):
        Study(SPACE, score, maximize="score").run(Random(), trials=2, workers=workers)


@pytest.mark.parametrize("strategy", [Random, "random", None])
def test_a_strategy_is_an_object_that_proposes(strategy):
    with pytest.raises(
        StudyError, match=r"A strategy is an object with a method propose, such as retia.Random\(\), got"
    ):
        Study(SPACE, score, maximize="score").run(strategy, trials=3)


@pytest.mark.parametrize("space", [{"a": Integer(1, 2)}, 3, None])
def test_a_study_is_of_a_search_space(space):
    with pytest.raises(
        StudyError,
        match=r"A study searches a SearchSpace or a ModelSpace, got .*Wrap the class: retia.ModelSpace\(Net\)",
    ):
        Study(space, score, maximize="score")


def test_a_study_needs_an_objective_and_a_baseline_of_its_space():
    with pytest.raises(StudyError, match="A study needs an objective"):
        Study(SPACE, score)
    with pytest.raises(ValueError, match=r"'a' takes one of 1..5, got 7"):
        Study(SPACE, score, maximize="score", baseline={"a": 7, "b": "u"})


def _failing(share):
    for architecture in SPACE.enumerate():
        try:
            FailingEvaluator(share)(architecture, None)
        except ArithmeticError:
            return architecture
    raise AssertionError


def _working(share):
    for architecture in SPACE.enumerate():
        with contextlib.suppress(ArithmeticError):
            FailingEvaluator(share)(architecture, None)
            return architecture
    raise AssertionError


def _costly():
    return next(
        architecture for architecture in SPACE.enumerate() if HashCosts()(architecture, None)["params"] > 500
    )
