"""Choices where no search can see them."""

import pytest
import torch
from torch import nn

import retia
from retia import ModelSpace, choice
from retia.errors import SpaceError, StudyError
from retia.space import strays_in

WIDTH = choice("width", [8, 16])
DOUBLE = WIDTH * 2


class Default(nn.Module):
    def __init__(self, width=choice("width", [8, 16])):
        super().__init__()
        self.act = retia.layer_choice("act", [nn.ReLU, nn.GELU])
        self.stages = range(width)


class Part(nn.Module):
    def __init__(self, *, width=retia.integer("width", 8, 16)):
        super().__init__()
        self.stages = range(width)


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part()
        self.act = retia.layer_choice("act", [nn.ReLU, nn.GELU])


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = range(DOUBLE)
        self.act = retia.layer_choice("act", [nn.ReLU, nn.GELU])


class ClassLevel(nn.Module):
    width = choice("width", [8, 16])

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, self.width)
        self.act = retia.layer_choice("act", [nn.ReLU, nn.GELU])


class Flag(nn.Module):
    def __init__(self, bias=choice("width", [True, False])):
        super().__init__()
        self.linear = nn.Linear(4, 4, bias=bias)
        self.act = retia.layer_choice("act", [nn.ReLU, nn.GELU])


class Plain(nn.Module):
    def __init__(self, width, act=None):
        super().__init__()
        self.linear = nn.Linear(4, width)
        self.act = retia.layer_choice("act", [nn.ReLU, nn.GELU])


class Forward(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.linear = nn.Linear(4, width)

    def forward(self, x):
        return self.linear(x) * choice("factor", [1, 2])


class Both(Forward):
    def __init__(self):
        super().__init__(choice("width", [8, 16]))


@pytest.mark.parametrize(
    ("model", "place", "where"),
    [
        (Default, "in Default", "in a default argument of Default.__init__"),
        (Whole, "in Part", "in a default argument of Part.__init__"),
        (Module, "", "as DOUBLE in Module.__init__"),
        (Flag, "in Flag", "in a default argument of Flag.__init__"),
        (ClassLevel, "in ClassLevel", r"in 'linear.out_features' \(Linear\)"),
    ],
)
def test_a_choice_made_when_its_line_was_run(model, place, where):
    with pytest.raises(
        SpaceError,
        match=rf"'width' made at .*test_misplaced_choice.py:\d+(, {place})? is used {where}.* stays (8|True): no search sees it\. Declare it in __init__",
    ):
        ModelSpace(model)


def test_an_argument_of_the_space():
    for space in (
        lambda: ModelSpace(Plain, width=choice("width", [8, 16])),
        lambda: ModelSpace(Plain, choice("width", [8, 16]) * 2),
    ):
        with pytest.raises(
            SpaceError,
            match=r"'width' made at .*is an argument of the ModelSpace \((width|argument 0)\).*ModelSpace\(lambda: Plain\(",
        ):
            space()
    assert ModelSpace(lambda: Plain(choice("width", [8, 16]))).size() == 4


def test_a_choice_in_forward():
    with pytest.raises(
        SpaceError,
        match=r"The choice 'factor' is declared while the model is called, at .*test_misplaced_choice\.py:\d+, in Forward\.forward.*Declare it in __init__.*self\.factor",
    ):
        with torch.device("meta"):
            Both()(torch.zeros(1, 4))


def test_a_layer_choice_in_forward():
    class Lazy(nn.Module):
        def forward(self, x):
            return retia.layer_choice("act", [nn.ReLU])(x)

    with pytest.raises(
        SpaceError, match=r"The choice 'act' is declared while the model is called, at .*Lazy\.forward"
    ):
        Lazy()(torch.zeros(1))


def _score(model):
    return float(model(torch.zeros(1, 4)).sum())


def test_a_choice_in_forward_beside_others_is_found_before_training():
    data = (torch.zeros(8, 4), torch.zeros(8, dtype=torch.long))
    with pytest.raises(SpaceError, match=r"The choice 'factor' is declared while the model is called"):
        retia.search(Both, retia.Classification(data, data), trials=2, maximize="accuracy", progress=False)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Forward, r"choice\(\.\.\.\) is called in .*test_misplaced_choice\.py:\d+, in Forward\.forward"),
        (nn.ReLU, "ReLU"),
    ],
)
def test_no_choice_at_all(model, words):
    with pytest.raises(StudyError, match=rf"nothing to search.*{words}.*__init__"):
        retia.search(model, _score, trials=2, maximize="score", progress=False)


def test_a_plain_space_without_parameters():
    score = retia.architecture_evaluator(lambda architecture: 1.0)
    with pytest.raises(StudyError, match="nothing to search: the space has no parameters"):
        retia.Study(retia.SearchSpace({}), score, maximize="score").run(retia.Random(), trials=1)


def test_searched_settings_alone_are_something_to_search():
    data = (torch.zeros(8, 4), torch.zeros(8, dtype=torch.long))
    evaluator = retia.Classification(data, data, lr=retia.Categorical([1e-3, 1e-2]))
    assert retia.Study(ModelSpace(nn.Linear, 4, 2), evaluator, maximize="accuracy").space.size() == 2


def test_plain_models_hold_plain_values():
    with torch.device("meta"):
        model, both = Plain(4), Both()
    assert type(both.linear.out_features) is int
    assert not list(strays_in(list(vars(model).values())))


def test_a_factory_function_makes_the_same_model():
    def make():
        return nn.Linear(4, choice("width", [8, 16]), bias=choice("bias", [True, False]))

    with torch.device("meta"):
        model = make().requires_grad_(choice("grad", [True]))
        assert model.out_features == 8
        assert model(torch.zeros(1, 4)).shape == (1, 8)
    assert ModelSpace(make).size() == 4
