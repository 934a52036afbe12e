import numpy as np
import pytest

from retia.errors import SpaceError
from retia.space import Categorical, Integer, SearchSpace
from retia.strategy import NetworkMorphism
from retia.study import Study, architecture_evaluator
from retia.trial import History, Trial

SPACE = SearchSpace(
    {"width": Integer(1, 1000), "depth": Integer(1, 1000), "act": Categorical(("relu", "silu"))}
)


@architecture_evaluator
def score(architecture):
    return {"score": architecture["width"] + architecture["depth"] + 0.5 * (architecture["act"] == "silu")}


def climbed(trials=60, evaluator=score, **settings):
    study = Study(SPACE, evaluator, maximize="score", baseline={"width": 1, "depth": 1, "act": "relu"})
    study.run(NetworkMorphism(**settings), trials=trials)
    return study


def test_each_parent_has_its_children_and_the_best_of_them_and_it_is_the_next():
    trials = climbed(trials=41, children=4).trials
    parent = trials[0]
    for i in range(1, 41, 4):
        batch = trials[i : i + 4]
        assert {trial.parent for trial in batch} == {parent.number}
        parent = max([parent, *batch], key=lambda trial: trial.metrics["score"])
    assert parent.metrics["score"] > 20


def test_a_child_differs_in_one_parameter_and_is_nowhere_smaller():
    study = climbed(trials=17)
    for trial in study.trials[1:]:
        before = study.trials[trial.parent].architecture
        changed = [label for label in before if trial.architecture[label] != before[label]]
        assert len(changed) == 1
        assert all(trial.architecture[label] >= before[label] for label in ("width", "depth"))


def test_several_morphs_change_more_and_without_growth_smaller_ones_are_tried():
    study = climbed(morphs=3, grow=False)
    pairs = [(trial.architecture, study.trials[trial.parent].architecture) for trial in study.trials[1:]]
    assert max(sum(child[label] != parent[label] for label in parent) for child, parent in pairs) > 1
    assert any(child[label] < parent[label] for child, parent in pairs for label in ("width", "depth"))


def test_a_parent_that_no_child_beats_gets_more_children():
    @architecture_evaluator
    def small(architecture):
        return {"score": -architecture["width"] - architecture["depth"]}

    assert {trial.parent for trial in climbed(21, small, children=5).trials[1:]} == {0}


def test_it_waits_for_the_children_that_run():
    study = climbed(trials=4, children=3)
    history = study.history
    running = [trial for trial in study.trials if trial.parent == 0]
    assert len(running) == 3
    waiting = History(
        history.objectives,
        trials=[study.trials[0], *(Trial(one.number, one.architecture, parent=0) for one in running)],
    )
    assert NetworkMorphism(children=3).propose(SPACE, waiting, 2, np.random.default_rng(0)) == []
    assert len(NetworkMorphism(children=5).propose(SPACE, waiting, 9, np.random.default_rng(0))) == 2


@pytest.mark.parametrize("name", ["children", "morphs"])
def test_a_number_below_one_is_refused(name):
    with pytest.raises(
        SpaceError, match=f"'{name}' of NetworkMorphism must be an integer of at least 1, got 0"
    ):
        NetworkMorphism(**{name: 0})
