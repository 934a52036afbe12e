import re

import pytest
from torch import nn

import retia
from retia.errors import EvaluationError, InfeasibleArchitecture, StudyError
from retia.oneshot import SPOS
from retia.searching import check, search
from retia.space import Categorical, SearchSpace
from retia.strategy import GridSearch, LocalSearch, Random, RegularizedEvolution
from retia.study import Study, architecture_evaluator

SPACE = SearchSpace({f"op{i}": Categorical(tuple("abcde")) for i in range(3)})


@architecture_evaluator
def score(architecture):
    return {"score": sum(value == "d" for value in architecture.values())}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [2, 4, 8])
        self.body = nn.Linear(3, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(x).relu())


class Misfit(nn.Module):
    """Fits only while its two widths are equal, as in its default."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, retia.choice("out", [4, 8, 16, 32]))
        self.head = nn.Linear(retia.choice("into", [4, 8, 16, 32]), 2)

    def forward(self, x):
        return self.head(self.body(x))


def width_of(model):
    return {"width": model.body.out_features}


def story(study):
    return [(trial.number, trial.architecture, trial.parent, trial.metrics) for trial in study.trials]


# --- the one call


def test_a_search_is_a_study_and_its_run():
    found = search(SPACE, score, Random(), trials=20, maximize="score", seed=3, progress=False)
    study = Study(SPACE, score, maximize="score", seed=3)
    study.run(Random(), trials=20)
    assert story(found) == story(study)
    assert found.stop_reason == "trials done"


def test_evolution_is_what_searches_unless_another_is_given():
    found = search(SPACE, score, trials=40, maximize="score", progress=False)
    study = Study(SPACE, score, maximize="score")
    study.run(RegularizedEvolution(), trials=40)
    assert story(found) == story(study)
    assert any(trial.parent is not None for trial in found.trials)


def test_what_is_given_arrives(tmp_path):
    study = search(
        SPACE,
        score,
        LocalSearch(starts=1),
        trials=10,
        maximize="score",
        constraints=["score <= 2"],
        storage=tmp_path / "study.db",
        name="mine",
        seed=4,
        baseline=dict.fromkeys(SPACE.parameters, "b"),
        device="cpu",
        directory=tmp_path / "files",
        progress=False,
    )
    assert (study.name, study.seed, study.spec.device, study.directory) == (
        "mine",
        4,
        "cpu",
        tmp_path / "files",
    )
    assert set(study.trials[0].architecture.values()) == {"b"}
    assert study.trials[1].parent == 0
    assert [str(one) for one in study.constraints] == ["score <= 2"]
    assert Study.open(tmp_path / "study.db", "mine").trials == study.trials


def test_it_resumes_and_force_goes_on_with_a_changed_study(tmp_path):
    options = {"maximize": "score", "storage": tmp_path / "study.db", "progress": False}
    search(SPACE, score, Random(), trials=4, **options)
    assert len(search(SPACE, score, Random(), trials=6, **options).trials) == 6
    with pytest.raises(StudyError, match="differs from this one"):
        search(SPACE, score, Random(), trials=8, seed=1, **options)
    assert len(search(SPACE, score, Random(), trials=8, seed=1, force=True, **options).trials) == 8


def test_the_control_runs_along():
    study = search(
        SPACE, score, LocalSearch(starts=1), trials=12, maximize="score", control=True, progress=False
    )
    assert study.control.name == "study/random"
    assert len(study.control.trials) == 12
    assert (
        search(SPACE, score, LocalSearch(starts=1), trials=2, maximize="score", progress=False).control
        is None
    )


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        (
            Random(),
            {"retrain": 3},
            "'retrain' is for one-shot methods, and at least 0, got 3 with Random. Leave it out",
        ),
        (SPOS(), {"retrain": -1}, "at least 0, got -1 with SPOS"),
        (
            SPOS(),
            {"control": True},
            "Can't compare SPOS with random search: .* Retrain the best architectures as well: retrain=5",
        ),
    ],
)
def test_invalid_combinations_of_retrain_and_control_are_rejected(strategy, options, message):
    with pytest.raises(StudyError, match=message):
        search(SPACE, score, strategy, trials=2, maximize="score", progress=False, **options)


def test_no_control_runs_after_an_interrupt():
    @architecture_evaluator
    def interrupted(architecture):
        raise KeyboardInterrupt

    study = search(SPACE, interrupted, Random(), trials=12, maximize="score", control=True, progress=False)
    assert study.stop_reason == "interrupted"
    assert study.control is None


def test_it_stops_when_the_time_is_out_and_runs_on_workers():
    study = search(SPACE, score, GridSearch(), trials=10, workers=2, maximize="score", progress=False)
    assert len(study.trials) == 10
    with retia.InProcess() as executor:
        assert (
            search(
                SPACE, score, trials=10, executor=executor, timeout=1e-9, maximize="score", progress=False
            ).stop_reason
            == "timeout"
        )


def test_progress_is_told_on_standard_error(capfd):
    search(SPACE, score, Random(), trials=3, maximize="score")
    told = capfd.readouterr()
    assert told.out == ""
    assert "3" in told.err
    search(SPACE, score, Random(), trials=3, maximize="score", progress=False)
    assert capfd.readouterr() == ("", "")


# --- spaces of models


@pytest.mark.parametrize(
    "space", [Net, lambda: Net(), retia.ModelSpace(Net)], ids=["class", "function", "ModelSpace"]
)
def test_the_class_of_a_model_is_searched_and_its_best_is_a_plain_module(space):
    study = search(
        space, width_of, GridSearch(), trials=3, maximize="width", minimize="params", progress=False
    )
    assert [trial.metrics["width"] for trial in study.trials] == [2, 4, 8]
    assert [trial.metrics["params"] for trial in study.trials] == [
        2 * 4 + 3 * 2,
        4 * 4 + 5 * 2,
        8 * 4 + 9 * 2,
    ]
    assert study.best.architecture == {"width": 8}
    model = study.best.build(seed=0)
    assert type(model) is Net
    assert type(model.body) is nn.Linear
    assert model.body.out_features == 8


def test_parameters_are_counted_before_training():
    evaluated = []

    def watched(model):
        evaluated.append(model.body.out_features)
        return {"width": model.body.out_features}

    study = search(
        Net, watched, GridSearch(), trials=3, maximize="width", constraints={"params": 30}, progress=False
    )
    assert [trial.state for trial in study.trials] == ["completed", "completed", "infeasible"]
    assert evaluated == [2, 4]
    assert study.best.architecture["width"] == 4


@pytest.mark.parametrize("space", [Net, 3, "Net"], ids=["instance", "number", "string"])
def test_what_is_no_space_is_refused(space):
    with retia.nn.seeded(0):
        space = Net() if space is Net else space
    says = rf"takes a ModelSpace, a SearchSpace or the class of a model, got {type(space).__name__}. Give the class Net, not the instance Net\(\)"
    with pytest.raises(StudyError, match=says):
        search(space, score, trials=3, maximize="score")


# --- the dry run


def test_a_check_of_architectures_says_what_it_could_do():
    assert check(Study(SPACE, score, maximize="score")) == [
        "space: 3 parameters",
        "objectives: maximize score",
        "no models to build: the evaluator judges architectures",
    ]


def test_a_check_builds_the_baseline_and_some_random_models():
    *_, line = check(Study(retia.ModelSpace(Net), width_of, maximize="width"), architectures=20)
    assert line == (
        "3 architectures, the baseline and random ones: built on the meta device (the input shape is "
        "not known, so they were not run)"
    )


def test_a_check_runs_them_where_the_input_is_known():
    *_, line = check(
        Study(retia.ModelSpace(Net), width_of, maximize="width", costs=retia.Costs((3,))), architectures=20
    )
    assert line == "3 architectures, the baseline and random ones: built and run on the meta device"


def test_shapes_that_do_not_fit_are_found_before_any_training():
    trained = []

    def train(model):
        trained.append(model)
        return 1

    says = r"(?s)can't run on an input of shape .*'head' \(Linear\).*follow the same choice"
    with pytest.raises(InfeasibleArchitecture, match=says):
        search(
            Misfit, train, trials=10, maximize="score", costs=retia.Costs((3,)), strict=True, progress=False
        )
    with pytest.raises(InfeasibleArchitecture, match=says):
        search(
            Misfit,
            train,
            trials=10,
            maximize="score",
            costs=retia.Costs((3,)),
            baseline={"out": 4, "into": 8},
            progress=False,
        )
    assert trained == []


@pytest.mark.parametrize("seed", range(7))
def test_a_search_of_a_space_with_misfits_finds_what_fits(seed):
    trained = []

    def train(model):
        assert model.body.out_features == model.head.in_features
        trained.append(model)
        return model.body.out_features

    study = search(
        Misfit,
        train,
        GridSearch(),
        trials=16,
        maximize="score",
        costs=retia.Costs((3,)),
        seed=seed,
        progress=False,
    )
    assert study.stop_reason == "search space exhausted"
    assert {state: study.history.count(state) for state in ("completed", "failed", "infeasible")} == {
        "completed": 4,
        "failed": 0,
        "infeasible": 12,
    }
    assert study.best.architecture == {"out": 32, "into": 32}
    assert len(trained) == 4
    assert all("'head' (Linear)" in trial.error for trial in study.trials if trial.rejected)


def test_a_check_counts_the_misfits():
    study = Study(retia.ModelSpace(Misfit), width_of, maximize="width", costs=retia.Costs((3,)))
    *_, tried, misfits = check(study, architectures=30)
    assert tried.endswith("built and run on the meta device")
    assert re.match(
        r"infeasible among these: \d+\. .* For example: The architecture .*'head' \(Linear\)",
        misfits,
        re.DOTALL,
    )
    with pytest.raises(InfeasibleArchitecture, match="'head'"):
        check(study, architectures=30, strict=True)


def test_a_device_that_is_not_there_is_an_error_before_training():
    trained = []
    for device, says in (
        ("cuda:63", "The device 'cuda:63' is not available: torch finds"),
        ("gpu", "'device' must name a device of torch"),
    ):
        with pytest.raises(EvaluationError, match=says):
            search(Net, trained.append, trials=2, maximize="score", device=device, progress=False)
    assert trained == []


def test_what_failed_is_tried_again():
    broken = [True]

    def train(model):
        if broken and model.body.out_features == 8:
            raise OSError("no space left on device")
        return model.body.out_features

    study = Study(retia.ModelSpace(Net), train, maximize="score")
    study.run(GridSearch(), trials=3)
    assert study.history.count("failed") == 1
    broken.clear()
    study.run(GridSearch(), trials=3, retry_failed=True)
    assert study.history.count("completed") == 3


def test_a_search_that_can_not_be_judged_says_so_before_anything_else():
    with pytest.raises(
        EvaluationError, match=re.escape("is not an evaluator. An evaluator is a function fit")
    ):
        search(SPACE, None, trials=3, maximize="score")
    with pytest.raises(StudyError, match="A study needs an objective"):
        search(SPACE, score, trials=3)


def test_no_module_hides_the_function():
    import importlib
    import pkgutil

    import retia

    modules = {module.name for module in pkgutil.iter_modules(retia.__path__)}
    assert not modules & set(retia.__all__)
    importlib.import_module("retia.searching")
    assert callable(retia.search)


def test_the_evaluator_in_front_of_the_space():
    class Net(nn.Linear):
        def __init__(self):
            super().__init__(4, retia.choice("width", [2, 3]))

    def score(model):
        return 1.0

    for space in (Net, retia.ModelSpace(Net)):
        with pytest.raises(
            retia.StudyError,
            match=r"The space comes first and the evaluator second: search\((Net|space), evaluator, \.\.\.\)\. Swap the two",
        ):
            retia.search(score, space, trials=1, maximize="score", progress=False)
