"""Outputs that can't be mixed are an error before training, which names the choice, its values and what they return."""

import pytest
import torch
from torch import nn

from retia.errors import SupernetError
from retia.evaluate import Classification
from retia.nn import ModelSpace, input_choice, layer_choice, repeat
from retia.oneshot import DARTS, GDAS, PCDARTS, SNAS, DrNAS, FBNet, ProxylessNAS

each_method = pytest.mark.parametrize("method", [DARTS(), DARTS(unrolled=True), PCDARTS(), GDAS(), SNAS(), ProxylessNAS(), DrNAS(), FBNet()], ids=str)


class Returning(nn.Module):
    """A layer whose output a function makes."""

    def __init__(self, make):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.make = make

    def forward(self, x):
        return self.make(self.scale * x)


class Chosen(nn.Module):
    def __init__(self, candidates, read=lambda output: output):
        super().__init__()
        self.op = layer_choice("op", {name: lambda make=make: Returning(make) for name, make in candidates.items()})
        self.head = nn.Linear(4, 2)
        self.read = read

    def forward(self, x):
        return self.head(self.read(self.op(x)))


def first(output):
    return output if isinstance(output, torch.Tensor) else next(iter(output.values())) if isinstance(output, dict) else output[0]


def images():
    return torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 2


CASES = {
    "tuples": ({"a": lambda x: (x, x), "b": lambda x: (x, x)}, r"'[ab]' \(Returning\) returns a tuple \(a tensor \(2, 4\), a tensor \(2, 4\)\)"),
    "a dict": ({"a": lambda x: x, "b": lambda x: {"y": x}}, r"'b' \(Returning\) returns a dict of \['y'\]"),
    "a list": ({"a": lambda x: [x], "b": lambda x: x}, r"'a' \(Returning\) returns a list \(a tensor \(2, 4\)\)"),
}


@each_method
@pytest.mark.parametrize(("candidates", "says"), CASES.values(), ids=CASES)
def test_candidates_that_return_no_tensor(method, candidates, says):
    evaluator = Classification(images(), images(), epochs=20, batch_size=8, device="cpu")
    with pytest.raises(SupernetError, match=rf"{type(method).__name__} weighs the values of 'op', so each must return one tensor.*{says}") as raised:
        method.train(ModelSpace(Chosen, candidates, first), evaluator)
    if not isinstance(method, GDAS | ProxylessNAS):  # these run one candidate at a time
        assert "'a' (Returning) returns" in str(raised.value)
        assert "'b' (Returning) returns" in str(raised.value)


@each_method
def test_candidates_of_different_shapes(method, make_setting, lessons):
    space = ModelSpace(Chosen, {"a": lambda x: x, "b": lambda x: x[:, None]}, lambda x: x.reshape(-1, 4))
    setting = make_setting(space, *images())
    a, b = r"'a' \(Returning\) returns a tensor \(2, 4\)", r"'b' \(Returning\) returns a tensor \(2, 1, 4\)"
    if isinstance(method, GDAS):  # it runs one candidate at a time
        train(method.session(setting), lessons(setting, 4))
    elif isinstance(method, ProxylessNAS):  # it runs one, and compares it with one other in a step of the architecture weights
        session = method.session(setting)
        with pytest.raises(SupernetError, match=r"two candidates of 'op', which must have the same shape, got .*\(8, 4\)"):
            train(session, lessons(setting, 4))
    else:
        with pytest.raises(SupernetError, match=rf"'op'.*of the same shape. On the first batch {a}, {b}"):
            method.session(setting)


def train(session, some_lessons):
    for lesson in some_lessons:
        session.search(lesson)
        session.teach(lesson)


def test_the_inner_of_two_choices_is_named(make_setting):
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = layer_choice("op", {"plain": nn.Identity, "chosen": lambda: Chosen({"a": lambda x: x, "b": lambda x: (x,)}, first)})
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.op(x)[:, :2].repeat(1, 2))

    with pytest.raises(SupernetError, match="weighs the values of 'op/chosen/op'"):
        DARTS().session(make_setting(ModelSpace(Nested), *images()))


class Deep(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.body = repeat("body", lambda i: Returning(make), (1, 3))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(first(self.body(x)).reshape(len(x), -1)[:, :4])


def test_depths_of_different_shapes(make_setting):
    setting = make_setting(ModelSpace(Deep, lambda x: torch.cat([x, x], 1)), *images())
    with pytest.raises(
        SupernetError, match=r"'body'.*depth 1 returns a tensor \(2, 8\), depth 2 returns a tensor \(2, 16\), depth 3 returns a tensor \(2, 32\)"
    ):
        DARTS().session(setting)


def test_inputs_of_different_shapes(make_setting):
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.skip = input_choice("skip", 2)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.skip([x, x[:, None]]).reshape(-1, 4))

    with pytest.raises(SupernetError, match=r"'skip'.*input 0 returns a tensor \(2, 4\), input 1 returns a tensor \(2, 1, 4\)"):
        DARTS().session(make_setting(ModelSpace(Joined), *images()))


@each_method
def test_the_trial_run_leaves_the_supernet_as_it_was(method, make_setting):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = layer_choice("op", {"norm": lambda: nn.BatchNorm2d(4), "drop": lambda: Returning(lambda x: nn.functional.dropout(x, 0.5))})
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.op(x[:, :, None, None])[:, :, 0, 0])

    setting = make_setting(ModelSpace(Noisy), *images())
    if type(method).__name__ == "PCDARTS":
        pytest.skip("the candidates have a parameter that is no channel")
    before = {name: value.clone() for name, value in setting.supernet.state_dict().items()}
    method.session(setting)  # that the global generator has not moved either is checked after every test
    assert setting.supernet.training
    assert all(torch.equal(value, before[name]) for name, value in setting.supernet.state_dict().items())
