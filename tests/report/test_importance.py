import pytest

from retia.errors import StudyError
from retia.report import importance
from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace
from retia.strategy import GridSearch
from retia.study import Study, architecture_evaluator

SPACE = SearchSpace(
    [
        Parameter("much", Integer(1, 4)),
        Parameter("some", Categorical(("x", "y", "z"))),
        Parameter("none", Categorical((0, 1))),
        Parameter("inner", Integer(1, 2), Condition((((Clause("some", frozenset({"z"})),)),))),
    ]
)


def studied(function, trials=32):
    study = Study(SPACE, architecture_evaluator(function), maximize="accuracy", name="known")
    study.run(GridSearch(), trials=trials)
    return study


def test_what_matters_more_has_the_greater_share():
    shares = importance(
        studied(lambda a: {"accuracy": 10.0 * a["much"] + (a["some"] == "y"), "other": float(a["none"])})
    )
    assert list(shares)[:2] == ["much", "some"]
    assert shares["much"] > 0.9
    assert shares["none"] < 0.02
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) == set(SPACE.parameters)


def test_any_metric_can_be_explained():
    study = studied(lambda a: {"accuracy": float(a["much"]), "other": float(a["none"])})
    assert importance(study, "other")["none"] == pytest.approx(1)


def test_the_same_study_gives_the_same_shares():
    study = studied(lambda a: {"accuracy": a["much"] / (1 + a["none"])})
    assert importance(study) == importance(study)


def test_a_metric_that_never_varies_is_explained_by_nothing():
    assert set(importance(studied(lambda a: {"accuracy": 1.0})).values()) == {0.0}


def test_too_few_trials_are_an_error():
    with pytest.raises(
        StudyError,
        match=r"needs at least 4 completed trials, study 'known' has 3 with 'accuracy'.*Run more trials",
    ):
        importance(studied(lambda a: {"accuracy": 1.0}, trials=3))


def test_an_unknown_metric_is_an_error_that_lists_those_there_are():
    with pytest.raises(StudyError, match=r"has the metric 'loss'\. Take one of \['accuracy', 'other'\]"):
        importance(studied(lambda a: {"accuracy": 1.0, "other": 2.0}), "loss")
