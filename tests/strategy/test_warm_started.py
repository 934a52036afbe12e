import pytest

from retia.errors import ArchitectureError, StudyError
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import LocalSearch, Random, RegularizedEvolution, WarmStarted
from retia.study import Study, architecture_evaluator
from retia.trial import Trial

SPACE = SearchSpace({"a": Integer(0, 99), "b": Integer(0, 99)})


@architecture_evaluator
def near(architecture):
    return {"distance": abs(architecture["a"] - 70) + abs(architecture["b"] - 30)}


KNOWN = [{"a": 60, "b": 40}, {"a": 69, "b": 30}, {"a": 0, "b": 0}]


def test_the_known_come_first_in_their_order_and_none_twice():
    study = Study(SPACE, near, minimize="distance")
    study.run(WarmStarted(Random(), KNOWN), trials=8)
    assert [dict(trial.architecture) for trial in study.trials[:3]] == [
        {"a": 0, "b": 0},
        *KNOWN[:2],
    ]  # (0, 0) is the baseline
    assert len({trial.architecture for trial in study.trials}) == 8


@pytest.mark.parametrize(
    "strategy", [LocalSearch(starts=3), RegularizedEvolution(3, 3)], ids=lambda one: type(one).__name__
)
def test_the_strategy_goes_on_from_what_is_known(strategy):
    study = Study(SPACE, near, minimize="distance")
    study.run(WarmStarted(strategy, KNOWN), trials=4)
    assert study.trials[3].parent == 2
    assert study.trials[2].metrics == {"distance": 1}


def test_an_earlier_study_is_known_by_its_best_which_are_judged_anew():
    earlier = Study(SPACE, near, minimize="distance")
    earlier.run(Random(), trials=30)
    now = Study(
        SPACE,
        architecture_evaluator(lambda one: {"distance": near(one, None)["distance"] + 1000}),
        minimize="distance",
    )
    now.run(WarmStarted(Random(), earlier.top(5)), trials=6)
    assert [trial.architecture for trial in now.trials[1:]] == [
        trial.architecture for trial in earlier.top(5)
    ]
    assert now.best.metrics["distance"] == earlier.best.metrics["distance"] + 1000


def test_a_known_architecture_is_one_of_the_space():
    space = SearchSpace({"op": Categorical(("conv", "skip"))})
    study = Study(space, architecture_evaluator(lambda one: {"score": 0.0}), maximize="score")
    with pytest.raises(ArchitectureError, match="'op' takes one of {conv, skip}, got 'pool'"):
        study.run(WarmStarted(Random(), [{"op": "pool"}]), trials=3)


# --- recorded results


def differences(one, other):
    return sum(one[label] != other[label] for label in one)


def test_recorded_results_are_the_strategys_past_and_cost_nothing(tmp_path):
    Study(SPACE, near, minimize="distance", storage=tmp_path / "first.db").run(Random(), trials=40)
    earlier = Study.open(tmp_path / "first.db")
    study = Study(SPACE, near, minimize="distance", baseline={"a": 99, "b": 99})
    study.run(WarmStarted(RegularizedEvolution(41, 41), earlier.trials, recorded=True), trials=120)
    assert (
        differences(study.trials[1].architecture, earlier.best.architecture) == 1
    )  # the best of all is mutated
    assert study.trials[1].parent is None
    assert not {trial.architecture for trial in study.trials} & {
        trial.architecture for trial in earlier.trials
    }
    own = [trial for trial in study.trials if trial.parent is not None]
    assert own  # by then the earlier ones are too old
    assert all(differences(trial.architecture, study.trials[trial.parent].architecture) == 1 for trial in own)


def test_a_study_with_recorded_results_resumes_to_the_same(tmp_path):
    earlier = Study(SPACE, near, minimize="distance")
    earlier.run(RegularizedEvolution(5, 2), trials=20)

    def ran(name, *parts):
        for trials in parts:
            study = Study(SPACE, near, minimize="distance", storage=tmp_path / name)
            study.run(WarmStarted(RegularizedEvolution(8, 3), earlier.trials, recorded=True), trials=trials)
        return [(trial.architecture, trial.parent) for trial in study.trials]

    assert ran("parts.db", 3, 11, 25) == ran("whole.db", 25)


def test_what_failed_is_not_recalled_and_the_infeasible_is():
    trials = [
        Trial(0, SPACE.validate({"a": 1, "b": 1}), "failed", error="of late"),
        Trial(3, SPACE.validate({"a": 2, "b": 2}), "infeasible", {"params": 7.0}),
        Trial(4, SPACE.validate({"a": 3, "b": 3}), "completed", {"distance": 5.0, "params": 2.0}, parent=3),
        Trial(5, SPACE.validate({"a": 4, "b": 4})),
    ]

    class Watching(Random):
        def propose(self, space, history, n, rng):
            seen.append([(trial.number, trial.state, trial.parent) for trial in history])
            return super().propose(space, history, n, rng)

    seen = []
    study = Study(SPACE, near, minimize="distance")
    study.run(WarmStarted(Watching(), trials, recorded=True), trials=2)
    assert seen == [[(0, "infeasible", None), (1, "completed", 0), (2, "completed", None)]]


@pytest.mark.parametrize(
    ("known", "shown"),
    [(7, "7"), ("first.db", "first.db"), ([KNOWN[0], "conv"], "'conv'"), (iter(KNOWN), "list_iterator")],
)
def test_what_is_known_is_a_list_of_architectures_or_trials(known, shown):
    with pytest.raises(
        StudyError,
        match=rf"takes a list of architectures, or of trials such as study\.top\(10\), got .*{shown}",
    ):
        WarmStarted(Random(), known)


def test_recorded_results_are_those_of_trials():
    with pytest.raises(
        StudyError, match=r"needs trials for recorded=True, such as study\.trials, got \{'a': 60, 'b': 40\}"
    ):
        WarmStarted(Random(), KNOWN, recorded=True)


def test_recorded_results_have_the_metrics_that_the_study_needs():
    earlier = Study(SPACE, architecture_evaluator(lambda one: {"accuracy": 0.5}), maximize="accuracy")
    earlier.run(Random(), trials=2)
    study = Study(SPACE, near, minimize="distance")
    with pytest.raises(
        StudyError,
        match=r"The recorded trial 0 has no metric 'distance', which this study requires; it has \['accuracy'\]",
    ):
        study.run(WarmStarted(Random(), earlier.trials, recorded=True), trials=3)
