"""What a study makes of fidelities, of trials that go on, and of trials that are stopped."""

import warnings
from collections.abc import Mapping
from functools import partial

import pytest
from torch import nn

from retia.errors import StudyError
from retia.nn import ModelSpace
from retia.rng import stream_seed
from retia.space import Integer, SearchSpace, choice
from retia.storage import Database
from retia.strategy import ASHA, BOHB, Hyperband, MedianStop, Random, SuccessiveHalving
from retia.study import Study, architecture_evaluator
from retia.trial import STOPPED_STEP, Capabilities, Limits, Objective, Proposal, TrialStopped

SPACE = SearchSpace({"x": Integer(0, 99)})


class Growing:
    """Better by the epoch, and more so for a greater x; the first epochs look better than all do."""

    def __init__(self, epochs=9, bonus=5.0):
        self.epochs, self.bonus, self.seen = epochs, bonus, []

    def capabilities(self):
        return Capabilities(full_fidelity=float(self.epochs), resumes=True)

    def __call__(self, architecture, run):
        self.seen.append(run)
        epochs = self.epochs if run.fidelity is None else round(run.fidelity)
        y = 0.0
        for epoch in range(
            1 if run.resumed_fidelity is None else round(run.resumed_fidelity) + 1, epochs + 1
        ):
            y = architecture["x"] * epoch / self.epochs + self.bonus * (epoch < self.epochs)
            run.report({"y": y, "loss": -y}, epoch)
        return {"y": y}


def told(study):
    return [
        (t.number, t.state, t.architecture, t.fidelity, t.parent, dict(t.metrics), t.progress)
        for t in study.trials
    ]


def test_a_low_fidelity_never_beats_all_of_it():
    study = Study(SPACE, Growing(bonus=1000.0), maximize="y", baseline={"x": 0})
    study.run(ASHA(Random(), fidelities=(1, 3, 9)), trials=60)
    full = [trial for trial in study.trials if trial.fidelity is None]
    assert len(full) > 3
    assert study.best == max(full, key=lambda trial: trial.metrics["y"])
    assert max(trial.metrics["y"] for trial in study.trials) > 900 > study.best.metrics["y"]
    assert study.pareto == [study.best]
    top = study.top(60)
    assert top[: len(full)] == sorted(full, key=lambda trial: -trial.metrics["y"])
    assert [trial.fidelity for trial in top[len(full) :]] == sorted(
        (trial.fidelity for trial in top[len(full) :]), reverse=True
    )
    assert len({trial.architecture for trial in top}) == len(top) == len(study.history.architectures)


def test_a_promoted_trial_is_told_where_to_go_on_and_has_the_seed_of_the_first():
    study = Study(SPACE, Growing(), maximize="y", seed=4)
    study.run(SuccessiveHalving(Random(), fidelities=(1, 3, 9)), trials=1 + 9 + 3 + 1)
    for trial, run in zip(study.trials, study.spec.judge.seen, strict=True):
        first = before = None if trial.parent is None else study.trials[trial.parent]
        while first is not None and first.parent is not None:
            first = study.trials[first.parent]
        assert run.resume_from == (None if before is None else before.directory)
        assert run.resumed_fidelity == (None if before is None else before.fidelity)
        assert run.seed == stream_seed(4, "train", trial.number if first is None else first.number)
        assert run.directory == trial.directory
    assert [len(trial.progress) for trial in study.trials] == [9] + [1] * 9 + [2] * 3 + [6]


def test_a_child_of_another_architecture_begins_anew():
    study = Study(SPACE, Growing(), maximize="y", baseline={"x": 1})

    class Child:
        def propose(self, space, history, n, rng):
            return [Proposal(space.validate({"x": 2}), 3.0, 0), Proposal(space.validate({"x": 1}), 3.0, 0)]

    study.run(Child(), trials=3)
    assert [run.resume_from for run in study.spec.judge.seen] == [None] * 3


STRATEGIES = {
    "ASHA": lambda: ASHA(Random(), fidelities=(1, 3, 9)),
    "BOHB": lambda: BOHB(fidelities=(1, 3, 9)),
    "Hyperband": lambda: Hyperband(Random(), fidelities=(1, 3, 9)),
    "SuccessiveHalving": lambda: SuccessiveHalving(Random(), fidelities=(1, 3, 9)),
    "MedianStop": lambda: MedianStop(Random(), min_trials=3),
    "MedianStop, ASHA": lambda: MedianStop(ASHA(Random(), fidelities=(1, 3, 9)), min_trials=3),
}


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_a_study_resumed_at_any_moment_has_the_same_trials(make, tmp_path):
    whole = Study(SPACE, Growing(), maximize="y", storage=tmp_path / "whole.db")
    whole.run(make(), trials=40)
    for trials in (1, 7, 8, 20, 33, 40):
        parts = Study(SPACE, Growing(), maximize="y", storage=tmp_path / "parts.db")
        parts.run(make(), trials=trials)
    assert told(parts) == told(whole)
    assert told(Study.open(tmp_path / "whole.db")) == told(whole)
    assert Study.open(tmp_path / "whole.db").best == whole.best


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_workers_run_them_too(make, tmp_path):
    study = Study(SPACE, Growing(), maximize="y", storage=tmp_path / "study.db")
    assert study.run(make(), trials=30, workers=2) == "trials done"
    assert study.history.count("completed") == 30


# --- which evaluators can


def test_the_last_fidelity_is_all_that_the_evaluator_spends():
    study = Study(SPACE, Growing(epochs=10), maximize="y")
    message = r"The last of the fidelities of ASHA is all that Growing spends on a trial, 10, got \[1, 3, 9\]. Let the fidelities end with 10"
    with pytest.raises(StudyError, match=message):
        study.run(ASHA(Random(), fidelities=(1, 3, 9)), trials=5)
    with pytest.raises(StudyError, match="The last of the fidelities of MedianStop"):
        study.run(MedianStop(ASHA(Random(), fidelities=(1, 3, 9))), trials=5)
    study.run(ASHA(Random(), fidelities=(1, 3, 10)), trials=5)


def test_a_function_can_not_tell_how_far_to_go():
    for evaluator in (lambda model: 0.5, architecture_evaluator(lambda architecture: 0.5)):
        with pytest.raises(
            StudyError,
            match=(
                "BOHB tries architectures at the fidelities .*, but a function that does not take the run "
                "can't tell how far"
            ),
        ):
            Study(SPACE, evaluator, maximize="y").run(BOHB(fidelities=(1, 3)), trials=5)


@architecture_evaluator
def by_the_epoch(architecture):
    for epoch in range(1, 10):
        yield architecture["x"] * epoch / 9


def test_a_generator_goes_as_far_as_its_fidelity():
    study = Study(SPACE, by_the_epoch, maximize="y")
    study.run(ASHA(Random(), fidelities=(1, 3, 9)), trials=30)
    assert {len(trial.progress) for trial in study.trials} == {1, 3, 9}
    for trial in study.trials:
        assert len(trial.progress) == (trial.fidelity or 9)
        assert trial.metrics["y"] == pytest.approx(trial.architecture["x"] * (trial.fidelity or 9) / 9)


# --- stopping


def stopped(study):
    return [trial for trial in study.trials if STOPPED_STEP in trial.metrics]


def test_a_trial_worse_than_the_median_is_stopped(tmp_path):
    space = SearchSpace({"x": Integer(0, 9)})
    study = Study(space, Growing(bonus=0.0), maximize="y", baseline={"x": 9}, storage=tmp_path / "study.db")

    class Listing:
        def propose(self, space, history, n, rng):
            return [Proposal(space.validate({"x": (9, 8, 7, 6, 4, 3, 2, 1)[len(history)]}))]

    study.run(MedianStop(Listing(), min_trials=3, warmup_steps=3), trials=8)
    # The running average of x at epoch s is x (s + 1) / 18, its best so far x s / 9. Of 9, 8 and 7 the median
    # at epoch 3 is 1.78, and 6 comes to 2.0; of 9, 8, 7 and 6 it is 1.67, and 4 comes to 1.33.
    assert [trial.metrics.get(STOPPED_STEP) for trial in study.trials] == [
        None,
        None,
        None,
        None,
        3.0,
        3.0,
        3.0,
        3.0,
    ]
    first = study.trials[4]
    assert first.state == "completed"
    assert first.metrics == {
        "y": pytest.approx(4 * 3 / 9),
        "loss": pytest.approx(-4 * 3 / 9),
        STOPPED_STEP: 3.0,
    }
    assert [report["step"] for report in first.progress] == [1, 2, 3]
    assert first.reached == 3
    assert study.best.architecture["x"] == 9
    again = Study.open(tmp_path / "study.db")
    assert told(again) == told(study)
    assert [trial.architecture["x"] for trial in again.top(8)][:4] == [9, 8, 7, 6]
    assert Database(str(tmp_path / "study.db")).studies()[0].trials["completed"] == 8


def test_workers_stop_trials_without_a_word_from_the_study(tmp_path):
    study = Study(SPACE, Growing(bonus=0.0), maximize="y", baseline={"x": 50})
    study.run(MedianStop(Random(), min_trials=3), trials=30, workers=2)
    assert len(stopped(study)) > 5
    assert all(trial.reached < 9 for trial in stopped(study))
    assert max(trial.architecture["x"] for trial in stopped(study)) < study.best.architecture["x"]


def test_epochs_are_saved():
    plain, stopping = (Study(SPACE, Growing(bonus=0.0), maximize="y") for _ in range(2))
    plain.run(Random(), trials=40)
    stopping.run(MedianStop(Random()), trials=40)
    assert stopping.best.metrics == plain.best.metrics
    assert sum(len(trial.progress) for trial in stopping.trials) < 0.7 * sum(
        len(trial.progress) for trial in plain.trials
    )


def test_an_evaluator_s_own_handlers_let_a_stop_pass():
    cleaned = []

    class Careful(Growing):
        def __call__(self, architecture, run):
            try:
                return super().__call__(architecture, run)
            except Exception:
                return {"y": -1.0}
            finally:
                cleaned.append(architecture)

    study = Study(SPACE, Careful(bonus=0.0), maximize="y")
    study.run(MedianStop(Random(), min_trials=2), trials=20)
    assert stopped(study)
    assert len(cleaned) == 20
    assert not issubclass(TrialStopped, Exception)


def test_a_generator_is_stopped_and_its_bare_numbers_are_the_objective():
    study = Study(SPACE, by_the_epoch, maximize="y")
    study.run(MedianStop(Random(), min_trials=2), trials=20)
    assert stopped(study)
    assert all(set(report) == {"step", "y"} for trial in study.trials for report in trial.progress)
    assert all(trial.metrics["y"] == trial.progress[-1]["y"] for trial in stopped(study))


class Costs:
    metrics = ("params",)

    def __call__(self, architecture, run) -> Mapping[str, float]:
        return {"params": float(architecture["x"])}


def test_a_stopped_trial_has_its_costs_and_without_what_the_study_needs_none_is_stopped():
    study = Study(SPACE, Growing(bonus=0.0), maximize="y", constraints=["params <= 90"], costs=Costs())
    study.run(MedianStop(Random(), min_trials=2), trials=20)
    assert stopped(study)
    assert all(trial.metrics["params"] == trial.architecture["x"] for trial in stopped(study))

    class Late(Growing):
        def __call__(self, architecture, run):
            return {**super().__call__(architecture, run), "extra": 1.0}

    study = Study(SPACE, Late(bonus=0.0), maximize="y", constraints=["extra <= 2"])
    study.run(MedianStop(Random(), min_trials=2), trials=20)
    assert not stopped(study)


def test_the_limits_of_a_proposal_are_kept_by_the_study():
    class Strict:
        def propose(self, space, history, n, rng):
            return [
                Proposal(space.validate({"x": 7}), limits=Limits(Objective("y", "maximize"), ((2.0, -1e9),)))
            ]

    study = Study(SPACE, Growing(), maximize="y")
    study.run(Strict(), trials=2)
    assert [trial.reached for trial in study.trials] == [float("inf"), 2.0]


def yields(model):
    yield 1.0
    yield 2.0


def ignores(model, run):
    return run.fidelity or 2


def resumes(model, run):
    done = run.resume(model)
    for epoch in range(done, round(run.fidelity or 2)):
        run.save(model, step=epoch + 1)
        yield float(epoch)


@pytest.mark.parametrize(("fit", "warned"), [(yields, 1), (ignores, 1), (resumes, 0), (partial(ignores), 1)])
def test_an_evaluator_that_does_not_resume_warns_once_before_the_first_trial(fit, warned):
    space = ModelSpace(lambda: nn.Linear(1, choice("width", [1, 2, 3, 4])))
    study = Study(space, fit, maximize="score")
    started = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study.run(
            ASHA(Random(), fidelities=(1, 2)),
            trials=4,
            observer=lambda event: started.append(len(caught)) if event.kind == "started" else None,
        )
    assert (
        sum("promoted trial trains again from the first epoch" in str(one.message) for one in caught)
        == warned
    )
    assert started[0] == warned
