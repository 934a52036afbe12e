"""Settings that look as if they were searched."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

import retia
from retia.errors import EvaluationError, StudyError

SPACE = retia.SearchSpace({"depth": retia.Integer(1, 3)})
DATA = (torch.zeros(8, 4), torch.zeros(8, dtype=torch.long))
RATE = retia.real("lr", 1e-4, 1e-1, log=True)


def fit(model, lr=1e-3):
    return {"score": lr}


def fit_by_default(model, lr=retia.choice("lr", [0.1, 0.2])):
    return {"score": lr}


def fit_by_domain(model, lr=retia.Categorical([0.1, 0.2])):
    return {"score": lr}


def fit_by_module(model):
    return {"score": RATE}


@retia.architecture_evaluator
def score_by_module(architecture):
    return {"score": RATE * 2}


class Mine:
    def __init__(self, lr):
        self.lr = lr

    def __call__(self, architecture, run):
        return {"score": self.lr}


@dataclass
class Yours:
    lr: object

    def __call__(self, architecture, run):
        return {"score": 1.0}


def study(evaluator, **more):
    return retia.Study(SPACE, evaluator, maximize="score", **more)


@pytest.mark.parametrize(
    ("lr", "remedy"),
    [
        (lambda: retia.choice("rate", [0.1, 0.2]), r"lr=retia\.Categorical\(\[0\.1, 0\.2\]\)\."),
        (lambda: retia.real("rate", 1e-4, 1e-1, log=True), r"lr=retia\.Real\(0\.0001, 0\.1, log=True\)\."),
        (lambda: retia.integer("rate", 1, 9, step=2) / 10, r"lr=retia\.Integer\(1, 9, step=2\)\."),
    ],
)
def test_a_choice_as_a_setting_of_training(lr, remedy):
    with pytest.raises(
        EvaluationError,
        match=rf"'lr' of Classification is the choice 'rate' made at .*test_frozen\.py:\d+, in .*it stays .*{remedy}",
    ):
        retia.Classification(DATA, DATA, lr=lr())
    with pytest.raises(EvaluationError, match="'weight_decay' of Regression is the choice 'rate'"):
        retia.Regression(DATA, DATA, weight_decay=lr())


def test_a_choice_in_a_partial_optimizer():
    with pytest.raises(EvaluationError, match="'optimizer' of Classification is the choice 'm' made at"):
        retia.Classification(
            DATA, DATA, optimizer=partial(torch.optim.SGD, momentum=retia.real("m", 0.0, 0.9))
        )


@pytest.mark.parametrize(
    ("evaluator", "where"),
    [
        (
            partial(fit, lr=retia.Categorical([0.1, 0.2])),
            r"'lr' of functools\.partial\(fit\) is \{0\.1, 0\.2\}",
        ),
        (
            partial(fit, lr=retia.choice("lr", [0.1, 0.2])),
            r"'lr' of functools\.partial\(fit\) \(the choice 'lr' made at .*\) is \{0\.1, 0\.2\}",
        ),
        (fit_by_default, r"'lr' of fit_by_default\(\) \(the choice 'lr' made at"),
        (fit_by_domain, r"'lr' of fit_by_domain\(\) is \{0\.1, 0\.2\}"),
        (fit_by_module, r"The choice 'lr' made at .* and used as RATE in fit_by_module is"),
        (score_by_module, r"The choice 'lr' made at .* and used as RATE in score_by_module is"),
    ],
)
def test_a_function_of_the_model(evaluator, where):
    with pytest.raises(EvaluationError, match=rf"{where}.*no search sees.*retia\.evaluator\(fit, lr=retia\."):
        study(evaluator)


@pytest.mark.parametrize(
    "evaluator",
    [
        lambda: Mine(retia.choice("lr", [0.1, 0.2])),
        lambda: Yours(retia.Categorical([0.1, 0.2])),
        lambda: retia.study.Repeated(Yours(retia.Categorical([0.1, 0.2])), 2),
        lambda: Yours((1, RATE)),
    ],
)
def test_an_evaluator_object(evaluator):
    with pytest.raises(
        EvaluationError, match=r"'lr' of (Mine|Yours).* is .*no search sees.* Give it a value\."
    ):
        study(evaluator())


def test_costs():
    with pytest.raises(EvaluationError, match="The input of Costs contains the choice 'size' made at"):
        retia.Costs((3, retia.choice("size", [32, 64]), 32))


@pytest.mark.parametrize(
    "strategy",
    [
        lambda: retia.RegularizedEvolution(population=retia.choice("population", [5, 10])),
        lambda: retia.strategy.ASHA(
            retia.RegularizedEvolution(population=retia.choice("population", [5, 10])), fidelities=(1, 2)
        ),
        lambda: retia.RegularizedEvolution(population=retia.Categorical([5, 10])),
        lambda: retia.Random(uniform=retia.Categorical(["choices", "architectures"])),
    ],
)
def test_a_strategy(strategy):
    @retia.architecture_evaluator
    def score(architecture):
        yield {"score": 1.0}

    with pytest.raises(
        (StudyError, retia.SpaceError),
        match=r"'?(population|uniform)'? (of (RegularizedEvolution|Random)|is )",
    ):
        study(score).run(strategy(), trials=2)


def test_what_the_remedy_says_works():
    class Net(nn.Linear):
        def __init__(self):
            super().__init__(4, retia.choice("width", [2, 3]))

    def evaluate(model, lr):
        return {"score": lr * model.out_features}

    found = retia.Study(
        retia.ModelSpace(Net), retia.evaluator(evaluate, lr=retia.Categorical([0.1, 0.2])), maximize="score"
    )
    found.run(retia.strategy.GridSearch(), trials=4)
    assert found.best.architecture == {"width": 3, "lr": 0.2}


def test_plain_settings_and_searched_settings_pass():
    assert study(partial(fit, lr=0.1)).space is SPACE
    assert study(Mine(0.1)).space is SPACE
    space = retia.Study(
        SPACE, retia.Classification(DATA, DATA, lr=retia.Real(1e-4, 1e-1)), maximize="accuracy"
    ).space
    assert list(space.parameters) == ["depth", "lr"]
    repeated = retia.study.Repeated(retia.Classification(DATA, DATA, lr=retia.Real(1e-4, 1e-1)), 2)
    assert list(retia.Study(SPACE, repeated, maximize="accuracy").space.parameters) == ["depth", "lr"]


def of_closure():
    lr = retia.Real(0.1, 0.2)

    def train(model):
        return {"score": lr}

    return train


class Bound:
    def __init__(self, lr):
        self.lr = lr

    def fit(self, model):
        return {"score": self.lr}


@pytest.mark.parametrize(
    "evaluator",
    [
        partial(fit, lr={"adam": [retia.Real(0.1, 0.2)]}),
        Mine(retia.Real(0.1, 0.2)),
        Mine({"lr": retia.Real(0.1, 0.2)}),
        Bound(retia.Real(0.1, 0.2)).fit,
        of_closure(),
    ],
    ids=["nest", "attribute", "nested attribute", "bound method", "closure"],
)
def test_a_domain_that_no_search_sees_is_refused_wherever_it_is(evaluator):
    with pytest.raises(EvaluationError, match=r"is \[0\.1, 0\.2\], which no search sees"):
        study(evaluator)


def test_a_nested_domain_is_not_a_searched_setting():
    with pytest.raises(EvaluationError, match="which no search sees"):
        retia.evaluator(fit, lr={"adam": retia.Real(0.1, 0.2)})


def test_the_remedy_names_the_setting():
    with pytest.raises(
        EvaluationError, match=r"retia\.evaluator\(fit, lr=retia\.Real\(0\.0001, 0\.1, log=True\)\)"
    ):
        retia.evaluator(fit, lr=RATE)
