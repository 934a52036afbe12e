"""A strategy that works before its first proposal, and judges otherwise afterwards."""

import pytest

from retia.errors import StudyError
from retia.space import Integer, SearchSpace
from retia.strategy import Listed, Random
from retia.study import Study, architecture_evaluator
from retia.trial import Proposal

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

    def prepare(self, evaluator, run):
        self.runs.append(run)
        run.report({"loss": 0.5}, 1)

        @architecture_evaluator
        def scored(architecture):
            return {"score": -evaluator(architecture)["score"], "size": architecture["x"]}

        self.order = sorted((architecture for architecture in run.space.enumerate()), key=lambda architecture: -architecture["x"])
        return scored

    def describe(self):
        return {"type": self.name}

    def propose(self, space, history, n, rng):
        return [Proposal(architecture) for architecture in self.order if history.find(architecture, None) is None][:n]


def study(**more):
    return Study(SPACE, real, maximize="score", **more)


def test_what_it_prepares_scores_the_trials():
    one, strategy = study(), Prepares()
    one.run(strategy, trials=4)
    assert [(trial.architecture["x"], trial.metrics["score"]) for trial in one.trials] == [(0, 0), (9, -9), (8, -8), (7, -7)]
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
        with pytest.raises(StudyError, match=r"trials of 'study' were scored by the supernet of negative, and those of \w+ would not compare"):
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
    with pytest.raises(StudyError, match="is another than this one"):
        study(storage=storage).run(Random(), trials=4)


def test_the_winners_are_judged_anew_by_the_studys_own_evaluator(tmp_path):
    one = study(storage=tmp_path / "s.db")
    one.run(Prepares(), trials=5)
    assert [trial.architecture["x"] for trial in one.top(3)] == [0, 6, 7]
    retrained = one.run_retrained(3)
    assert retrained.name == "study/retrained"
    assert {trial.architecture["x"]: trial.metrics["score"] for trial in retrained.trials} == {0: 0, 6: 6, 7: 7}
    assert retrained.best.architecture == {"x": 7}
    assert one.best.architecture == {"x": 0}


def test_nothing_to_retrain_says_so():
    with pytest.raises(StudyError, match="has no completed trial yet"):
        study().run_retrained(2)


def test_listed_architectures_come_in_their_order_once():
    one = study(baseline={"x": 5})
    assert one.run(Listed([{"x": 7}, {"x": 5}, {"x": 7}, {"x": 1}]), trials=10) == "search space exhausted"
    assert [trial.architecture["x"] for trial in one.trials] == [5, 7, 1]
