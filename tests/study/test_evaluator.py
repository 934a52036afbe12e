import dataclasses
import functools
import math
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

import retia
from retia.errors import EvaluationError
from retia.nn import ModelSpace
from retia.rng import stream
from retia.space import Architecture, Categorical, Real, SearchSpace, choice
from retia.study import (
    ArchitectureEvaluator,
    ModelEvaluator,
    architecture_evaluator,
    as_evaluator,
)
from retia.study.metrics import as_metrics
from retia.trial import Capabilities, Run, capabilities_of

SPACE = SearchSpace({"width": Categorical((4, 8))})
MODELS = ModelSpace(lambda: nn.Linear(1, choice("width", [4, 8])))
WIDE = Architecture({"width": 8})


def net():
    return nn.Linear(3, choice("width", [4, 8]))


def evaluated(evaluator, run=None):
    """Evaluate the wide model like a study does: with torch seeded, and its generator put back."""
    run = run or Run(ModelSpace(net))
    with run.space.seeded(run.seed):
        return evaluator(WIDE, run)


# --- what becomes an evaluator


def test_a_function_of_a_model_builds_it_first():
    seen = []

    def outputs(model):
        seen.append(model)
        return {"outputs": model.out_features}

    evaluator = as_evaluator(outputs)
    assert isinstance(evaluator, ModelEvaluator)
    metrics = evaluated(evaluator)
    assert metrics["outputs"] == 8
    assert type(seen[0]) is nn.Linear


def test_params_and_train_seconds_are_always_there():
    metrics = evaluated(as_evaluator(lambda model: 0.5))
    assert metrics["score"] == 0.5
    assert metrics["params"] == 3 * 8 + 8
    assert 0 <= metrics["train_seconds"] < 10


def test_a_function_that_counts_itself_is_believed():
    metrics = evaluated(as_evaluator(lambda model: {"params": 1, "train_seconds": 2}))
    assert metrics == {"params": 1, "train_seconds": 2}


def test_the_model_is_built_on_the_runs_device():
    metrics = as_evaluator(lambda model: float(model.weight.is_meta))(
        WIDE, Run(ModelSpace(net), device="meta")
    )
    assert metrics["score"] == 1


def test_a_function_of_a_model_needs_a_space_that_builds():
    def accuracy(model):
        return 0.5

    with pytest.raises(
        EvaluationError,
        match=r"accuracy\(\) takes a model, but the space \(SearchSpace\) builds none.*@retia.architecture_evaluator",
    ):
        as_evaluator(accuracy)(WIDE, Run(SPACE))


class Objective:
    def __call__(self, architecture, run):
        return {"score": architecture["width"], "seed": run.seed}

    def fit(self, model, run):
        return {"score": model.out_features, "seed": run.seed}


def fit_with_run(model, run):
    return {"score": model.out_features, "seed": run.seed}


def generate_with_run(model, run):
    yield {"score": 0.0}
    yield {"score": model.out_features, "seed": run.seed}


@pytest.mark.parametrize(
    "function",
    [
        fit_with_run,
        generate_with_run,
        functools.partial(lambda data, model, run: fit_with_run(model, run), "data"),
        functools.partial(lambda model, lr, run: fit_with_run(model, run), lr=0.1),
        lambda model, run, /, lr=1: fit_with_run(model, run),
        lambda model, *, run: fit_with_run(model, run),
        functools.wraps(fit_with_run)(lambda *arguments, **named: fit_with_run(*arguments, **named)),
        Objective().fit,
    ],
)
def test_a_function_of_two_arguments_gets_the_model_and_the_run(function):
    metrics = evaluated(as_evaluator(function), Run(ModelSpace(net), seed=7))
    assert (metrics["score"], metrics["seed"]) == (8, 7)


def test_an_object_of_two_arguments_gets_the_architecture_and_the_run():
    evaluator = Objective()
    assert as_evaluator(evaluator) is evaluator
    assert evaluated(as_evaluator(functools.partial(evaluator)), Run(ModelSpace(net), seed=7)) == {
        "score": 8,
        "seed": 7,
    }


def test_a_function_of_the_architecture_and_the_run_is_marked():
    def judge(architecture, run):
        return {"score": architecture["width"], "seed": run.seed}

    assert evaluated(as_evaluator(architecture_evaluator(judge)), Run(SPACE, seed=7)) == {
        "score": 8,
        "seed": 7,
    }
    for function in (judge, lambda architecture: 1):
        with pytest.raises(
            EvaluationError,
            match=r"takes an 'architecture', but a function that is not marked gets the model\. Mark it with @retia",
        ):
            as_evaluator(function)
    with pytest.raises(
        EvaluationError, match=r"needs 3 arguments, \['architecture', 'run', 'data'\].*marked with"
    ):
        architecture_evaluator(lambda architecture, run, data: 1)


# --- settings of a function


def fit(model, run, *, lr, optimizer="sgd", epochs=1):
    return {"score": lr * model.out_features, "adamw": optimizer == "adamw", "epochs": epochs}


def test_settings_that_are_searched_are_handed_over():
    evaluator = retia.evaluator(
        fit, lr=Real(1e-4, 1e-1, log=True), optimizer=Categorical(("sgd", "adamw")), epochs=3
    )
    assert list(evaluator.capabilities().parameters) == ["lr", "optimizer"]
    study = retia.Study(ModelSpace(net), evaluator, maximize="score")
    study.run(retia.Random(), trials=6)
    assert set(study.space.parameters) == {"width", "lr", "optimizer"}
    for trial in study.trials:
        assert trial.metrics["score"] == trial.architecture["lr"] * trial.architecture["width"]
        assert trial.metrics["adamw"] == (trial.architecture["optimizer"] == "adamw")
        assert trial.metrics["epochs"] == 3
    assert len({trial.architecture["lr"] for trial in study.trials}) == 6


def test_an_evaluator_with_settings_reaches_workers():
    study = retia.Study(ModelSpace(net), retia.evaluator(fit, lr=Categorical((0.1, 0.2))), maximize="score")
    study.run(retia.strategy.GridSearch(), trials=4, workers=2)
    assert study.best.metrics["score"] == 0.2 * 8


def test_an_evaluator_with_settings_is_described():
    described = [retia.evaluator(fit, lr=lr).describe() for lr in (Real(0.1, 1.0), Real(0.1, 2.0), 0.5)]
    assert len({str(one) for one in described}) == 3
    assert described[2]["settings"] == {"lr": 0.5}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: retia.evaluator(fit, lr=0.1, rate=Real(0.0, 1.0)),
            r"fit\(\) takes no argument 'rate'; it takes \['model', 'run', 'lr', ",
        ),
        (
            lambda: retia.evaluator(fit),
            r"fit\(\) needs 3 arguments, \['model', 'run', 'lr'\].*Give the others to retia.evaluator",
        ),
        (lambda: retia.evaluator(lambda model, *, lr: lr), r"needs 2 arguments, \['model', 'lr'\]"),
        (lambda: retia.evaluator(nn.Linear), "takes a function of the model, got <class"),
        (lambda: retia.evaluator(fit, lr=choice("lr", [0.1, 0.2])), "the choice 'lr' made at"),
    ],
)
def test_a_setting_that_the_function_does_not_take_is_refused(make, message):
    with pytest.raises(EvaluationError, match=message):
        make()


def test_what_is_adapted_is_not_adapted_twice():
    for evaluator in (ModelEvaluator(len), ArchitectureEvaluator(len)):
        assert as_evaluator(evaluator) is evaluator


def test_optional_arguments_do_not_count():
    assert isinstance(as_evaluator(lambda model, epochs=3: epochs), ModelEvaluator)
    assert isinstance(as_evaluator(functools.partial(lambda data, model: 1, "data")), ModelEvaluator)
    assert isinstance(as_evaluator(max), ModelEvaluator)  # a builtin that does not show what it takes


def test_a_function_of_three_arguments_is_refused():
    def train(model, data, epochs):
        return 1

    with pytest.raises(
        EvaluationError,
        match=r"train\(\) needs 3 arguments, \['model', 'data', 'epochs'\]. Give the others to retia.evaluator or functools.partial.*fit\(model, run\)",
    ):
        as_evaluator(train)


@pytest.mark.parametrize("wrong", [3, "accuracy", None, nn.Linear])
def test_what_is_no_function_is_refused(wrong):
    with pytest.raises(
        EvaluationError, match=f"{re.escape(repr(wrong))} is not an evaluator. An evaluator is a function fit"
    ):
        as_evaluator(wrong)


# --- functions of the architecture


def test_a_marked_function_can_still_be_called():
    @architecture_evaluator
    def width(architecture):
        """The width."""
        return {"width": architecture["width"]}

    assert width(WIDE) == {"width": 8.0}
    assert width(WIDE, Run(SPACE)) == {"width": 8.0}
    assert (width.__name__, width.__doc__) == ("width", "The width.")


def test_a_bare_number_is_the_score():
    assert architecture_evaluator(lambda architecture: 3)(WIDE) == {"score": 3.0}


# --- generators


def heard_by(evaluator):
    heard = []
    metrics = evaluator(WIDE, Run(SPACE, listener=lambda metrics, step: heard.append((dict(metrics), step))))
    return metrics, heard


def test_a_generator_reports_what_it_yields_and_its_last_counts():
    @architecture_evaluator
    def training(architecture):
        for epoch in range(3):
            yield {"accuracy": epoch / 10}

    metrics, heard = heard_by(training)
    assert heard == [({"accuracy": 0.0}, 1), ({"accuracy": 0.1}, 2), ({"accuracy": 0.2}, 3)]
    assert metrics == {"accuracy": 0.2}
    assert training(WIDE) == {"accuracy": 0.2}


def test_what_a_generator_returns_counts_more_than_what_it_yields():
    @architecture_evaluator
    def training(architecture):
        yield 0.25
        return {"accuracy": 0.9}

    metrics, heard = heard_by(training)
    assert heard == [({"score": 0.25}, 1)]
    assert metrics == {"accuracy": 0.9}


def test_a_generator_of_models_reports_too():
    def training(model):
        yield {"accuracy": 0.5}

    heard = []
    run = Run(ModelSpace(net), listener=lambda metrics, step: heard.append((dict(metrics), step)))
    assert evaluated(as_evaluator(training), run)["accuracy"] == 0.5
    assert heard == [({"accuracy": 0.5}, 1)]


def test_a_generator_without_anything_is_no_result():
    @architecture_evaluator
    def nothing(architecture):
        yield from ()

    with pytest.raises(
        EvaluationError,
        match=r"nothing\(\) must return a number or a mapping.*got None. Is a return missing\?",
    ):
        nothing(WIDE)


def test_a_progress_report_is_checked_too():
    @architecture_evaluator
    def training(architecture):
        yield "half way"

    with pytest.raises(
        EvaluationError,
        match="A progress report must return a number or a mapping of names to numbers, got 'half way'",
    ):
        heard_by(training)


# --- metrics


@pytest.mark.parametrize(
    "number", [1, 1.0, True, np.float32(1), np.int64(1), torch.tensor(1), torch.tensor([1.0])]
)
def test_whatever_is_a_number_is_a_metric(number):
    metrics = as_metrics({"accuracy": number}, "f()")
    assert metrics == {"accuracy": 1.0}
    assert type(metrics["accuracy"]) is float


def test_what_is_not_finite_is_not_judged_here():
    assert math.isnan(as_metrics(math.nan, "f()")["score"])


@pytest.mark.parametrize("wrong", ["0.9", b"0.9", [0.9, 0.8], object()])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(
        EvaluationError,
        match=r"f\(\) must return a number or a mapping of names to numbers, got .*'accuracy': 0.93",
    ):
        as_metrics(wrong, "f()")


def test_none_is_probably_a_missing_return():
    with pytest.raises(EvaluationError, match=r"got None. Is a return missing\?"):
        as_metrics(None, "f()")


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        ({}, "an empty one"),
        ({"accuracy": "high"}, "'accuracy': 'high'"),
        ({"accuracy": None}, "'accuracy': None"),
        ({"loss": 1, "accuracy": [1, 2]}, r"'accuracy': \[1, 2\]"),
        ({"outputs": torch.ones(2)}, r"'outputs': tensor"),
        ({3: 0.5}, "3: 0.5"),
    ],
)
def test_a_mapping_is_of_names_to_numbers(wrong, got):
    with pytest.raises(EvaluationError, match=rf"f\(\) must return a mapping of names to numbers, got {got}"):
        as_metrics(wrong, "f()")


# --- descriptions


def settings(evaluator):
    return capabilities_of(evaluator).settings()


def test_a_function_is_described_by_its_name_and_its_source():
    @architecture_evaluator
    def score(architecture):
        return 1

    described = settings(score)
    assert described["function"].endswith(
        "test_evaluator.test_a_function_is_described_by_its_name_and_its_source.<locals>.score"
    )
    assert re.fullmatch("[0-9a-f]{16}", described["source"])


def test_comments_and_layout_do_not_change_a_description_but_code_does(tmp_path):
    def described(body):
        script = tmp_path / "script.py"
        script.write_text(
            "from retia.study import architecture_evaluator, as_evaluator\n@architecture_evaluator\ndef "
            f"f(a):\n{body}\nprint(f.capabilities().settings())"
        )
        return subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout

    first = described("    return 1 + 2")
    assert described("    # why\n    return (1 +\n        2)") == first
    assert described("    return 1 + 3") != first


def test_what_has_no_source_is_described_by_its_name():
    assert settings(as_evaluator(len)) == {"function": "builtins.len"}
    namespace = {}
    exec("def typed(model): return 1", namespace)
    assert settings(as_evaluator(namespace["typed"]))["function"].endswith("typed")
    assert "source" not in settings(as_evaluator(namespace["typed"]))


def test_an_object_describes_itself_or_is_known_by_its_type():
    class Plain:
        def __call__(self, architecture, run):
            return {"score": 1}

    class Told(Plain):
        def capabilities(self):
            return Capabilities(settings=lambda: {"epochs": 3})

    assert settings(Told()) == {"epochs": 3}
    assert settings(Plain())["type"].endswith("Plain")


def test_no_torch_is_needed_to_evaluate_architectures():
    code = """
        import sys
        import retia
        @retia.architecture_evaluator
        def score(architecture):
            return architecture["a"]
        study = retia.Study(retia.SearchSpace({"a": retia.Integer(1, 3)}), score, maximize="score")
        study.run(retia.Random(), trials=3)
        print(study.best.metrics, "torch" in sys.modules)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "{'score': 3.0} False"


def test_a_runs_generator_belongs_to_its_seed():
    assert Run(SPACE, seed=3).rng.random() == stream(3, "run").random() != Run(SPACE, seed=4).rng.random()


@dataclasses.dataclass
class Scaled:
    scale: float
    names: tuple = ("a", 2)
    function: object = math.sqrt
    other: object = dataclasses.field(default_factory=object)

    def __call__(self, architecture, run):
        return {"score": self.scale}


def test_a_dataclass_is_described_by_its_fields():
    described = settings(Scaled(4))
    assert described.pop("type").endswith("test_evaluator.Scaled")
    assert described == {
        "scale": 4,
        "names": ["a", 2],
        "function": "math.sqrt",
        "other": {"type": "builtins.object"},
    }
    assert settings(Scaled(4)) == settings(Scaled(4)) != settings(Scaled(5))


async def waits(model):
    return 1.0


async def waits_and_yields(model):
    yield 1.0


@pytest.mark.parametrize("function", [waits, waits_and_yields, functools.partial(waits)])
def test_an_asynchronous_function_is_refused(function):
    with pytest.raises(
        EvaluationError, match="is asynchronous, and no event loop runs it. Write a plain def"
    ):
        as_evaluator(function)


def run_by_default(model, run=None):
    return run.fidelity


def run_by_keyword(model, *, run=None):
    return run.fidelity


def run_by_annotation(model, trial: Run):
    return trial.fidelity


@pytest.mark.parametrize("function", [run_by_default, run_by_keyword, run_by_annotation])
def test_a_parameter_named_run_gets_the_run(function):
    with MODELS.seeded(0):
        assert as_evaluator(function)(MODELS.default(), Run(MODELS, fidelity=3.0))["score"] == 3.0


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda model, lr: 1.0, r"needs 'lr' beside 'model'.* retia\.evaluator\(fit, lr=\.\.\.\)"),
        (lambda run, model: 1.0, "takes the run first.* Put the model first"),
    ],
)
def test_arguments_that_are_taken_for_something_else_are_refused(function, says):
    with pytest.raises(EvaluationError, match=says):
        as_evaluator(function)


def test_a_preset_must_be_called():
    with pytest.raises(
        EvaluationError, match=r"Classification is a function that makes an evaluator\. Call it"
    ):
        as_evaluator(retia.Classification)
