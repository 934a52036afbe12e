"""The validated arguments of a study."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from retia.errors import ArchitectureError, EvaluationError, StudyError
from retia.space import Integer, SearchSpace
from retia.strategy import Random
from retia.study import Study, StudySpec, architecture_evaluator, run_control, run_retrained
from retia.study.feasibility import Feasibility
from retia.study.proposals import EXHAUSTED, REPEATING, next_proposal
from retia.study.study_run import RunOptions
from retia.trial import Capabilities, Constraint, History, Objective, Proposal, Trial

SPACE = SearchSpace({"a": Integer(1, 3)})
LARGE = SearchSpace({"a": Integer(1, 300)})
SCORE = (Objective("score", "maximize"),)


@architecture_evaluator
def score(architecture):
    return architecture["a"]


class Named:
    """An evaluator that names its metrics."""

    def capabilities(self):
        return Capabilities(metrics=("accuracy",))

    def __call__(self, architecture, run):
        return {"accuracy": 0.5}


class Size:
    """An evaluator of costs."""

    metrics = ("size",)

    def __call__(self, architecture, run):
        return {"size": float(architecture["a"])}


class Fixed:
    """A strategy that always makes the same proposals."""

    def __init__(self, *architectures):
        self.architectures = architectures

    def propose(self, space, history, n, rng):
        return [Proposal(space.validate(one)) for one in self.architectures]


def specified(**changes):
    arguments = {
        "space": SPACE,
        "evaluator": score,
        "maximize": "score",
        "minimize": None,
        "constraints": None,
        "storage": None,
        "name": "study",
        "seed": 0,
        "baseline": None,
        "costs": None,
        "device": None,
        "directory": None,
        "keep_weights": "front",
        "force": False,
    }
    return StudySpec(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"space": Study}, StudyError, "A study searches a SearchSpace or a ModelSpace, got"),
        ({"keep_weights": "some"}, StudyError, "'keep_weights' must be one of .*, got 'some'"),
        ({"name": "a/b"}, StudyError, "can't be named 'a/b': it holds a slash"),
        ({"maximize": None}, StudyError, "A study needs an objective"),
        ({"evaluator": 3}, EvaluationError, "3 is not an evaluator"),
        ({"baseline": {"a": 9}}, ArchitectureError, "'a' takes one of 1..3, got 9"),
        ({"evaluator": Named()}, StudyError, r"The objective 'maximize score' .*\['accuracy'\]"),
        (
            {"evaluator": Named(), "maximize": "accuracy", "constraints": ["size <= 2"]},
            StudyError,
            r"The constraint 'size <= 2' asks for a metric that nothing supplies",
        ),
    ],
)
def test_invalid_arguments_are_rejected(changes, error, says):
    with pytest.raises(error, match=says):
        specified(**changes)


def test_metrics_of_the_costs_count_as_supplied():
    spec = specified(evaluator=Named(), maximize="accuracy", constraints=["size <= 2"], costs=Size())
    assert spec.needed == ("accuracy", "size")
    assert spec.counts.metrics == ("size",)


def test_the_arguments_make_an_equal_specification():
    spec = specified(minimize="loss", seed=3)
    assert StudySpec(**spec.arguments()) == spec
    assert spec.first_architecture == SPACE.default()


def test_run_options_have_the_defaults_of_run():
    executor = ThreadPoolExecutor(1)
    options = RunOptions(5, executor=executor)
    executor.shutdown()
    assert (options.workers, options.timeout, options.retry_failed) == (None, None, False)
    assert (options.failures, options.strict, options.executor) == ("raise", False, executor)


def test_a_stored_study_can_be_read_and_not_run(tmp_path):
    path = tmp_path / "study.db"
    study = Study(SPACE, score, maximize="score", storage=path)
    study.run(Random(), trials=3)
    stored = Study.open(path)
    assert not hasattr(stored, "run")
    assert stored.trials == study.trials
    assert (stored.best.metrics["score"], stored.stop_reason) == (3, "trials done")
    assert (stored.uid, stored.baseline, stored.prepared_by) == (study.uid, study.baseline, None)


def test_a_companion_is_found_in_the_storage(tmp_path):
    path = tmp_path / "study.db"
    Study(SPACE, score, maximize="score", storage=path).run(Random(), trials=2)
    assert Study.open(path, "study").companion("random") is None
    Study(SPACE, score, maximize="score", storage=path, name="study/random").run(Random(), trials=3)
    study = Study(SPACE, score, maximize="score", storage=path)
    assert len(study.companion("random").trials) == 3
    assert study.companion("random") is study.control
    assert len(Study.open(path).control.trials) == 3
    assert study.companion("retrained") is None


def test_feasibility_counts_rejections_in_a_row_and_shows_the_range_of_costs():
    history = History(SCORE, [Constraint("size", upper=1)])
    feasibility = Feasibility(SPACE, history, Size())
    assert feasibility.bounded
    for number, size in enumerate((1, 2, 3, 2)):
        architecture = SPACE.validate({"a": size})
        costs = feasibility.count(architecture, None)
        assert feasibility.holds(costs) == (size == 1)
        state = "completed" if size == 1 else "infeasible"
        trial = Trial(number, architecture, state, {**costs, "score": 0.0})
        history.record(trial)
        feasibility.record(trial)
    assert feasibility.rejected == 3
    assert "meets size <= 1 (3 tried beside the baseline, with size from 1 to 3)" in str(feasibility.error())
    assert not Feasibility(SPACE, History(SCORE), Size()).bounded


def test_a_proposal_for_a_new_trial_is_returned():
    history = History(SCORE, trials=[Trial(0, SPACE.validate({"a": 1}))])
    proposal, architecture = next_proposal(Fixed({"a": 1}, {"a": 2}), SPACE, history, 0, 1)
    assert (proposal.architecture, architecture["a"]) == (architecture, 2)
    assert next_proposal(Fixed({"a": 1}), SPACE, history, 0, 1) == REPEATING
    assert next_proposal(Fixed(), SPACE, history, 0, 1) == EXHAUSTED


class Short:
    """A strategy of random architectures at a low fidelity."""

    def propose(self, space, history, n, rng):
        return [Proposal(space.sample(rng), fidelity=1.0)]


def test_random_search_as_a_control_spends_the_seconds_of_the_study(monkeypatch):
    from retia.study import run_control

    clock = [1_000.0]
    monkeypatch.setattr("retia.study.trial_loop.time.time", lambda: clock[0])

    @architecture_evaluator
    def timed(architecture, run):
        clock[0] += 3.0 if run.fidelity is None else 1.0
        return {"score": architecture["a"]}

    study = Study(LARGE, timed, maximize="score")
    study.run(Short(), trials=28)  # 3 s for the baseline, 1 s for each of the other trials
    control = run_control(study)
    assert sum(trial.seconds for trial in control.trials) == 30
    assert len(control.trials) == 10


def searched(**options):
    study = Study(SPACE, score, maximize="score", **options)
    study.run(Random(), trials=3)
    return study


@pytest.mark.parametrize("k", [0, True, 2.0])
def test_how_many_to_retrain_must_be_a_number_of_at_least_one(k):
    with pytest.raises(
        StudyError, match=r"'k' must be a whole number of at least 1, got .* run_retrained\(study, 5\)"
    ):
        run_retrained(searched(), k)


def test_a_stored_study_has_no_evaluator_to_be_compared_with(tmp_path):
    searched(storage=tmp_path / "study.db")
    for compare in (run_control, lambda study: run_retrained(study, 1)):
        with pytest.raises(
            StudyError, match="The stored study 'study' has no evaluator .* Make it from its space"
        ):
            compare(Study.open(tmp_path / "study.db"))
