"""A strategy that works before its first proposal, and judges otherwise afterwards."""

import time
import warnings
from dataclasses import replace

import pytest

from retia.errors import StorageError, StudyError
from retia.space import Integer, SearchSpace
from retia.strategy import Listed, Random
from retia.study import Study, architecture_evaluator, run_control, run_retrained
from retia.trial import Proposal, StrategyCapabilities

SPACE = SearchSpace({"x": Integer(0, 9)})


@architecture_evaluator
def real(architecture):
    return {"score": architecture["x"], "size": architecture["x"]}


class Costs:
    metrics = ("size",)

    def __call__(self, architecture, run):
        return {"size": float(architecture["x"])}


class Prepares:
    """Scores by the negative, and proposes from the greatest of the space that it was prepared for down."""

    def __init__(self, name="negative"):
        self.name = name
        self.runs = []
        self.pause_s = 0.0

    def prepare(self, evaluator, run):
        self.runs.append(run)
        time.sleep(self.pause_s)
        run.report({"loss": 0.5}, 1)

        @architecture_evaluator
        def scored(architecture):
            return {"score": -evaluator(architecture)["score"], "size": architecture["x"]}

        self.order = sorted(
            (architecture for architecture in run.space.enumerate()),
            key=lambda architecture: -architecture["x"],
        )
        return scored

    def capabilities(self):
        return StrategyCapabilities(prepare=self.prepare, settings=lambda: {"type": self.name})

    def propose(self, space, history, n, rng):
        return [
            Proposal(architecture) for architecture in self.order if history.find(architecture, None) is None
        ][:n]


def study(**more):
    return Study(SPACE, real, maximize="score", **more)


def test_what_it_prepares_scores_the_trials():
    one, strategy = study(), Prepares()
    one.run(strategy, trials=4)
    assert [(trial.architecture["x"], trial.metrics["score"]) for trial in one.trials] == [
        (0, 0),
        (9, -9),
        (8, -8),
        (7, -7),
    ]
    assert len(strategy.runs) == 1
    assert strategy.runs[0].directory == one.directory / "prepared"


def test_the_seed_of_the_preparation_follows_from_the_study():
    seeds = []
    for seed in (0, 0, 1):
        strategy = Prepares()
        study(seed=seed).run(strategy, trials=1)
        seeds.append(strategy.runs[0].seed)
    assert seeds[0] == seeds[1] != seeds[2]


def test_bounds_on_costs_restrict_the_space_that_it_prepares_for():
    one, strategy = study(constraints=["size <= 4"], costs=Costs()), Prepares()
    one.run(strategy, trials=3)
    assert [trial.architecture["x"] for trial in one.trials] == [0, 4, 3]
    assert strategy.runs[0].space.restrictions[0].description == "size <= 4"


def test_bounds_that_nothing_meets_are_found_before_the_preparation():
    one, strategy = study(constraints=["size <= -1"], costs=Costs()), Prepares()
    with pytest.raises(
        StudyError,
        match=r"No architecture meets size <= -1, among 100 random ones .*: size 0 to 9. Loosen the bound",
    ):
        one.run(strategy, trials=3)
    assert not strategy.runs


def test_a_bound_that_hardly_anything_meets_is_no_error():
    space = SearchSpace({"x": Integer(0, 99_999)})
    strategy = Prepares()
    one = Study(space, real, maximize="score", constraints=["size <= 1"], costs=Costs())
    one.run(strategy, trials=2)
    assert [trial.architecture["x"] for trial in one.trials] == [0, 1]


def test_progress_is_heard():
    heard = []
    study().run(Prepares(), trials=1, observer=heard.append)
    (event,) = [event for event in heard if event.kind == "prepared"]
    assert (event.metrics, event.step) == ({"loss": 0.5}, 1)


def test_trials_of_two_preparations_do_not_stand_beside_each_other():
    one = study()
    one.run(Prepares(), trials=2)
    one.run(Prepares(), trials=3)  # the same again goes on
    assert len(one.trials) == 3
    for other in (Random(), Prepares("another")):
        with pytest.raises(
            StudyError,
            match=r"trials of 'study' were scored by the supernet of negative, and those of \w+ would not compare",
        ):
            one.run(other, trials=4)
    two = study()
    two.run(Random(), trials=2)
    with pytest.raises(StudyError, match="were scored by trained models"):
        two.run(Prepares(), trials=3)


def test_a_study_that_was_only_looked_at_takes_any_strategy():
    one = study()
    assert not len(one.history)
    one.run(Prepares(), trials=2)
    assert len(one.trials) == 2


def test_a_stored_study_knows_what_scored_it(tmp_path):
    storage = tmp_path / "s.db"
    study(storage=storage).run(Prepares(), trials=2)
    again = study(storage=storage)
    again.run(Prepares(), trials=3)
    assert [trial.metrics["score"] for trial in again.trials] == [0, -9, -8]
    with pytest.raises(StudyError, match="differs from this one"):
        study(storage=storage).run(Random(), trials=4)


def test_the_winners_are_judged_anew_by_the_studys_own_evaluator(tmp_path):
    one = study(storage=tmp_path / "s.db")
    one.run(Prepares(), trials=5)
    assert [trial.architecture["x"] for trial in one.top(3)] == [0, 6, 7]
    retrained = run_retrained(one, 3)
    assert retrained.name == "study/retrained"
    assert {trial.architecture["x"]: trial.metrics["score"] for trial in retrained.trials} == {
        0: 0,
        6: 6,
        7: 7,
    }
    assert retrained.best.architecture == {"x": 7}
    assert one.best.architecture == {"x": 0}


def test_retraining_again_judges_the_winners_that_are_new(tmp_path):
    for trials in (3, 6):
        one = study(storage=tmp_path / "s.db", baseline={"x": 3})
        one.run(Prepares(), trials=trials)
        run_retrained(one, 2)
    assert [trial.architecture["x"] for trial in one.retrained.trials] == [
        3,
        8,
        5,
    ]  # the baseline, and then the winner of either time beside it
    assert Study.open(tmp_path / "s.db").retrained.best.architecture == {"x": 8}


def test_random_search_spends_the_seconds_that_the_search_took():
    @architecture_evaluator
    def slow(architecture):
        time.sleep(0.01)
        return real(architecture)

    one = Study(SearchSpace({"x": Integer(0, 999)}), slow, maximize="score")
    strategy = Prepares()
    strategy.pause_s = 0.15
    one.run(strategy, trials=4)
    with pytest.raises(
        StudyError,
        match=r"no architecture was retrained.* Call run_retrained\(study, 5\) first, or give trials=",
    ):
        run_control(one)
    run_retrained(one, 2)
    control = run_control(one)
    spent = sum(step.seconds for step in one.preparation) + sum(
        trial.seconds for trial in (*one.trials, *one.retrained.trials)
    )
    assert sum(trial.seconds for trial in control.trials) == pytest.approx(spent, rel=0.3)
    assert control.best.metrics["score"] == control.best.architecture["x"]
    rescored = {trial.architecture: trial.metrics["score"] for trial in one.rescored.trials}
    assert rescored == {trial.architecture: -trial.metrics["score"] for trial in control.trials}
    assert run_control(one).trials == control.trials  # its seconds are spent


def test_what_the_preparation_reported_is_kept_with_its_seconds(tmp_path):
    one = study(storage=tmp_path / "s.db")
    one.run(Prepares(), trials=2)
    (step,) = Study.open(tmp_path / "s.db").preparation
    assert (step.step, step.metrics) == (1, {"loss": 0.5})
    assert step.seconds >= 0
    assert Study.open(tmp_path / "s.db").prepared_by == {"type": "negative"}
    with (one.directory / "prepared" / "progress.jsonl").open("a") as file:
        file.write('{"step": 2, "metr')  # killed while writing
    assert [step.step for step in one.preparation] == [1]
    plain = study(name="plain")
    plain.run(Random(), trials=1)
    assert (plain.prepared_by, plain.preparation, plain.retrained, plain.rescored) == (None, [], None, None)


def test_nothing_to_retrain_says_so():
    with pytest.raises(StudyError, match="has no completed trial yet"):
        run_retrained(study(), 2)


def test_listed_architectures_come_in_their_order_once():
    one = study(baseline={"x": 5})
    assert one.run(Listed([{"x": 7}, {"x": 5}, {"x": 7}, {"x": 1}]), trials=10) == "search space exhausted"
    assert [trial.architecture["x"] for trial in one.trials] == [5, 7, 1]


# --- the first choice


@pytest.mark.parametrize("constraints", [None, ["size <= 4"]])
def test_the_first_choice_is_stored_and_the_objectives_alone_decide_the_best(constraints, tmp_path):
    one = study(constraints=constraints, costs=Costs(), storage=tmp_path / "a.db")
    assert one.derived is None
    one.run(Prepares(), trials=3)
    assert dict(one.derived) == {"x": 9 if constraints is None else 4}
    assert one.best.architecture["x"] == 0
    assert one.history.find(one.derived).number == 1
    opened = Study.open(tmp_path / "a.db")
    assert opened.derived == one.derived
    one.run(Prepares(), trials=5)
    assert opened.derived == one.derived


def test_a_study_that_nothing_prepared_has_no_first_choice():
    one = study()
    one.run(Random(), trials=2)
    assert one.derived is None


@pytest.mark.parametrize("text", ["", "[1]", '{"x": {}}'])
def test_a_damaged_first_choice_is_an_error(text, tmp_path):
    one = study(storage=tmp_path / "a.db")
    one.run(Prepares(), trials=1)
    (one.prepared_directory / "derived.json").write_text(text)
    with pytest.raises(
        StorageError, match=r"derived.json' should hold an architecture, .*Remove it, and run"
    ):
        _ = one.derived


class Penalized(Prepares):
    def capabilities(self):
        return replace(super().capabilities(), penalizes=("size", "size"))


@pytest.mark.parametrize("more", [{"minimize": "size"}, {"constraints": ["size <= 7"]}])
def test_a_penalty_on_what_the_study_judges_by_gives_no_warning(more):
    study(costs=Costs(), **more).run(Penalized(), trials=2)


def test_a_penalty_on_another_metric_gives_one_warning_before_the_work():
    strategy = Penalized()
    with pytest.warns(RuntimeWarning, match=r"Penalized penalizes 'size', which") as caught:
        study().run(strategy, trials=2)
    (warning,) = caught
    assert "study.best is the best by score alone. Take study.derived" in str(warning.message)
    assert "add minimize='size', or constraints=['size <= ...']" in str(warning.message)
    assert warning.filename == __file__

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        strategy = Penalized()
        with pytest.raises(RuntimeWarning):
            study().run(strategy, trials=2)
    assert not strategy.runs
