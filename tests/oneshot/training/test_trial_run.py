"""Outputs that can't be mixed are an error before training, which names the choice, its values and what they
return.
"""

import re

import pytest
import torch
from torch import nn

from retia.errors import SupernetError
from retia.nn import ModelSpace, input_choice, layer_choice, repeat
from retia.oneshot import DARTS, GDAS, PCDARTS, SNAS, DrNAS, FBNet, ProxylessNAS

each_method = pytest.mark.parametrize(
    "method",
    [DARTS(), DARTS(unrolled=True), PCDARTS(), GDAS(), SNAS(), ProxylessNAS(), DrNAS(), FBNet()],
    ids=str,
)


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
        self.op = layer_choice(
            "op", {name: lambda make=make: Returning(make) for name, make in candidates.items()}
        )
        self.head = nn.Linear(4, 2)
        self.read = read

    def forward(self, x):
        return self.head(self.read(self.op(x)))


def first(output):
    return (
        output
        if isinstance(output, torch.Tensor)
        else next(iter(output.values()))
        if isinstance(output, dict)
        else output[0]
    )


def images():
    return torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 2


CASES = {
    "a tuple": (
        {"a": lambda x: x, "b": lambda x: (x, x)},
        r"'b' (Returning) returns a tuple (a tensor (2, 4), a tensor (2, 4))",
    ),
    "a dict": (
        {"a": lambda x: x, "b": lambda x: {"y": x}},
        r"'b' (Returning) returns a dict of 'y': a tensor (2, 4)",
    ),
    "a list": ({"a": lambda x: [x], "b": lambda x: x}, r"'a' (Returning) returns a list (a tensor (2, 4))"),
    "other keys": (
        {"a": lambda x: {"z": x}, "b": lambda x: {"y": x}},
        r"'a' (Returning) returns a dict of 'z': a tensor (2, 4)",
    ),
    "a nest": (
        {"a": lambda x: (x, (x, x)), "b": lambda x: (x, x)},
        r"'a' (Returning) returns a tuple (a tensor (2, 4), a tuple (a tensor (2, 4), a tensor (2, 4)))",
    ),
}


@each_method
@pytest.mark.parametrize(("candidates", "says"), CASES.values(), ids=CASES)
def test_candidates_that_return_different_structures(method, candidates, says, make_setting, items):
    setting = make_setting(ModelSpace(Chosen, candidates, first), *images())
    if isinstance(method, GDAS):  # it runs one candidate at a time
        train(method.session(setting), items(setting, 4))
    else:
        with pytest.raises(
            SupernetError,
            match=(
                f"{type(method).__name__} weighs the values of 'op'.*all in the same "
                f"structure.*{re.escape(says)}"
            ),
        ) as raised:
            method.session(setting)
        assert "'a' (Returning) returns" in str(raised.value)
        assert "'b' (Returning) returns" in str(raised.value)


@each_method
def test_a_candidate_without_a_tensor(method, make_setting):
    space = ModelSpace(
        Chosen, {"a": lambda x: (3,), "b": lambda x: (3,)}, lambda output: torch.ones(8, 4) * output[0]
    )
    with pytest.raises(
        SupernetError,
        match=r"weighs the values of 'op', so each must return a tensor.* returns a tuple \(a int\)",
    ):
        method.session(make_setting(space, *images()))


NESTS = {
    "tuples": (lambda x: (x, x), lambda output: output[0] + output[1]),
    "dicts": (lambda x: {"a": x, "b": [x]}, lambda output: output["a"] + output["b"][0]),
    "with integers": (
        lambda x: (x, torch.arange(3), x),
        lambda output: output[0] + output[2] + 0 * output[1].sum(),
    ),
}


@each_method
@pytest.mark.parametrize(("make", "read"), NESTS.values(), ids=NESTS)
def test_nests_are_mixed_as_their_tensors_would_be(method, make, read, make_setting, items):
    """What is read of a nest is linear in its tensors, so that weights end where they would if the candidates
    returned it themselves.
    """
    if type(method).__name__ == "PCDARTS":
        pytest.skip("the candidates have a parameter that is no channel")
    ends = []
    for inside in (False, True):
        kinds = {"a": torch.tanh, "b": torch.sin}
        made = {name: lambda x, f=f: read(make(f(x))) if inside else make(f(x)) for name, f in kinds.items()}
        setting = make_setting(
            ModelSpace(Chosen, made, (lambda output: output) if inside else read), *images()
        )
        session = method.session(setting)
        train(session, items(setting, 4))
        ends.append([*session.relaxation.weights.values(), *setting.supernet.state_dict().values()])
    assert not torch.equal(ends[0][0], torch.zeros(2))
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


class Recurrent(nn.Module):
    def __init__(self, kinds):
        super().__init__()
        self.rnn = layer_choice(
            "rnn", {name: lambda make=make: make(4, 4, batch_first=True) for name, make in kinds.items()}
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        output, _ = self.rnn(x[:, None])
        return self.head(output[:, 0])


@each_method
def test_recurrent_layers(method, make_setting, items):
    alike = make_setting(ModelSpace(Recurrent, {"gru": nn.GRU, "rnn": nn.RNN}), *images())
    other = make_setting(ModelSpace(Recurrent, {"gru": nn.GRU, "lstm": nn.LSTM}), *images())
    if type(method).__name__ == "PCDARTS":
        with pytest.raises(
            SupernetError, match="PCDARTS lets every 4th channel through the candidates of 'rnn'"
        ):
            train(method.session(alike), items(alike, 2))
        return
    session = method.session(alike)
    train(session, items(alike, 2))
    assert {path["rnn"] for path in session.ranked()} == {"gru", "rnn"}
    if not isinstance(method, GDAS):
        with pytest.raises(
            SupernetError, match=r"'rnn'.*a tuple \(a tensor \(\d, 1, 4\), a tuple \(a tensor"
        ):
            method.session(other)


@each_method
def test_candidates_of_different_shapes(method, make_setting, items):
    space = ModelSpace(Chosen, {"a": lambda x: x, "b": lambda x: x[:, None]}, lambda x: x.reshape(-1, 4))
    setting = make_setting(space, *images())
    a, b = r"'a' \(Returning\) returns a tensor \(2, 4\)", r"'b' \(Returning\) returns a tensor \(2, 1, 4\)"
    if isinstance(method, GDAS):  # it runs one candidate at a time
        train(method.session(setting), items(setting, 4))
    else:
        with pytest.raises(SupernetError, match=rf"'op'.*of the same shape. On the first batch {a}, {b}"):
            method.session(setting)


def test_candidates_whose_shapes_differ_on_a_later_batch(make_setting, items):
    """The trial run is in evaluation mode, on two samples."""
    widened = {"a": lambda x: x, "b": lambda x: x if len(x) < 8 else x[:, None]}
    setting = make_setting(ModelSpace(Chosen, widened, lambda x: x.reshape(-1, 4)), *images())
    session = ProxylessNAS().session(setting)
    with pytest.raises(
        SupernetError,
        match=r"two candidates of 'op'.*'a' \(Returning\) returns a tensor \(8, 4\), "
        r"'b' \(Returning\) returns a tensor \(8, 1, 4\)",
    ):
        train(session, items(setting, 4))


def train(session, some_lessons):
    for item in some_lessons:
        session.search(item)
        session.train_batch(item)


def test_the_inner_of_two_choices_is_named(make_setting):
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = layer_choice(
                "op",
                {
                    "plain": nn.Identity,
                    "chosen": lambda: Chosen({"a": lambda x: x, "b": lambda x: (x,)}, first),
                },
            )
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
        SupernetError,
        match=r"'body'.*depth 1 returns a tensor \(2, 8\), depth 2 returns a tensor \(2, 16\), depth 3 returns a tensor \(2, 32\)",
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

    with pytest.raises(
        SupernetError,
        match=r"'skip'.*input 0 returns a tensor \(2, 4\), input 1 returns a tensor \(2, 1, 4\)",
    ):
        DARTS().session(make_setting(ModelSpace(Joined), *images()))


@each_method
def test_the_trial_run_leaves_the_supernet_as_it_was(method, make_setting):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = layer_choice(
                "op",
                {
                    "norm": lambda: nn.BatchNorm2d(4),
                    "drop": lambda: Returning(lambda x: nn.functional.dropout(x, 0.5)),
                },
            )
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
