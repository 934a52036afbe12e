"""Values that a choice gave and that stand where shapes don't show them: each is an error before training,
none a wrong number.
"""

import math

import pytest
import torch
from torch import nn

from retia.errors import SupernetError
from retia.nn import ModelSpace, layer_choice
from retia.space import choice
from retia.supernet import Supernet

X = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))


def message_of(factory, example=None):
    with pytest.raises(SupernetError) as caught:
        Supernet(ModelSpace(factory), example=example, seed=0)
    return str(caught.value)


class Scaled(nn.Module):
    """Multiplies by what a function of the width gives, kept in one of many places."""

    def __init__(self, keep):
        super().__init__()
        width = choice("width", [4, 8])
        self.layer = nn.Linear(3, width)
        keep(self, width)

    def forward(self, x):
        return self.layer(x) * self.scale


PLACES = {
    "attribute": (
        lambda m, w: setattr(m, "scale", torch.tensor(1 / math.sqrt(w))),
        r"The tensor in 'scale' of the model itself \(Scaled\)",
    ),
    "buffer": (lambda m, w: m.register_buffer("scale", torch.ones(w) / w), "The buffer 'scale'"),
    "unsaved": (
        lambda m, w: m.register_buffer("scale", torch.ones(w) / w, persistent=False),
        "The buffer 'scale', which is in no state_dict,",
    ),
    "frozen": (
        lambda m, w: setattr(m, "scale", nn.Parameter(torch.ones(w) / w, requires_grad=False)),
        "The frozen parameter 'scale'",
    ),
}


@pytest.mark.parametrize("example", [None, X])
@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_computed_from_a_choice(place, example):
    keep, what = PLACES[place]
    with pytest.raises(
        SupernetError,
        match=rf"{what} has other values in the model of {{'width': 4}} built alone.*the choice 'width'.*compute it in forward",
    ):
        Supernet(ModelSpace(Scaled, keep), example=example, seed=0)


def test_a_frozen_kernel_of_torchs_own_layer():
    def blur():
        layer = nn.Conv1d(1, 1, kernel := choice("kernel", [3, 5]), bias=False)
        nn.init.constant_(layer.weight, 1 / int(kernel))
        return layer.requires_grad_(False)

    assert "The frozen parameter 'weight' has other values in the model of {'kernel': 3}" in message_of(blur)


def test_random_tensors_that_are_saved_are_the_supernets_and_others_are_refused():
    supernet = Supernet(
        ModelSpace(Scaled, lambda m, w: m.register_buffer("scale", torch.rand(w))), example=X, seed=0
    )
    supernet.activate({"width": 4})
    torch.testing.assert_close(supernet(X), supernet.subnet()(X))
    with pytest.raises(
        SupernetError,
        match=r"'scale' of .* has other values .* drawn at random.*make it a buffer that is saved",
    ):
        Supernet(ModelSpace(Scaled, lambda m, w: setattr(m, "scale", torch.rand(()))), seed=0)


def test_constants_that_follow_their_choice_by_shape_are_no_matter():
    def keep(module, width):
        module.register_buffer("scale", torch.full((width,), 3.0))
        module.table = [torch.arange(3), {"a": torch.ones(2)}]

    supernet = Supernet(ModelSpace(Scaled, keep), example=X, seed=0)
    for width in (4, 8):
        supernet.activate({"width": width})
        torch.testing.assert_close(supernet(X), supernet.subnet()(X))


def captured(how):
    width = choice("width", [4, 8])
    table = {"width": width}
    plain = int(width)

    class Net(nn.Module):
        size = width if how == "class" else 1

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, width)

        if how == "closure":

            def forward(self, x):
                return self.layer(x) / width

        elif how == "helper":

            def forward(self, x):
                return self.layer(x) / helper()

        elif how == "default":

            def forward(self, x, by=width):
                return self.layer(x) / by

        elif how == "property":

            @property
            def by(self):
                return table["width"]

            def forward(self, x):
                return self.layer(x) / self.by

        elif how == "int":

            def forward(self, x):
                return self.layer(x) / plain

        else:

            def forward(self, x):
                return self.layer(x) / self.size

    def helper():
        return width

    return Net()


@pytest.mark.parametrize("example", [None, X])
@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("closure", r"'forward' is a function that has captured the choice of \['width'\]"),
        ("helper", r"'forward' is a function that has captured the choice of \['width'\]"),
        ("default", r"'forward' is a function that has captured the choice of \['width'\]"),
        ("property", r"'by' is a function that has captured the choice of \['width'\]"),
        (
            "class",
            r"The class Net holds the choice of \['width'\] in 'size', which all its modules share\. .*self\.size = ",
        ),
        (
            "int",
            r"The model itself \(.*Net\) has forward = .* that holds \[8\] in the supernet, but .* that holds \[4\] in the model of {'width': 4}",
        ),
    ],
)
def test_a_class_within_a_function_whose_methods_have_captured_a_choice(how, what, example):
    with pytest.raises(SupernetError, match=what):
        Supernet(ModelSpace(captured, how), example=example, seed=0)


def test_a_class_within_a_function_whose_constructor_alone_has_captured_a_choice():
    supernet = Supernet(ModelSpace(captured, "neither"), example=X, seed=0)
    supernet.activate({"width": 4})
    torch.testing.assert_close(supernet(X), supernet.subnet()(X))


def test_the_class_of_a_layer_choice_that_forward_asks_for_is_seen_with_an_example():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 4)
            self.act = layer_choice("act", {"relu": nn.ReLU, "tanh": nn.Tanh})

        def forward(self, x):
            x = self.act(self.layer(x))
            return x if isinstance(self.act, nn.ReLU | nn.Tanh) else -x

    for example in (X, torch.zeros(2, 3)):
        message = message_of(Net, example)
        assert (
            "the supernet returns other numbers than the model built alone with the same weights: "
            "they differ by up to"
        ) in message
    assert Supernet(ModelSpace(Net), seed=0).space.size() == 2  # without one it can't be


KEPT = {}
"""What a careless module keeps outside of itself."""


class Careless(nn.Module):
    def __init__(self):
        super().__init__()
        KEPT["width"] = choice("width", [4, 8])
        self.layer = nn.Linear(3, KEPT["width"])


def test_a_number_in_a_global_is_seen_with_an_example():
    class Net(Careless):
        def forward(self, x):
            return self.layer(x) / KEPT["width"]

    message = message_of(Net, X)
    assert "For {'width': 4} the supernet returns other numbers" in message
    assert "It does not follow the choice 'width'. Its forward reads a value" in message


class Odd(nn.Module):
    """Does in evaluation what a test asks for, and counts its calls in a buffer."""

    def __init__(self, what):
        super().__init__()
        self.layer = nn.Linear(3, choice("width", [4, 8]))
        self.drop = nn.Dropout(0.5).eval()
        self.register_buffer("calls", torch.tensor(0))
        self.what = what
        self.times = [0]

    def forward(self, x):
        self.calls += 1
        self.times[0] += 1
        x = self.drop(self.layer(x))
        if self.what == "noise":
            return x + self.times[0] * x.shape[1]
        if self.what == "nan":
            return x / 0 * 0
        return x


@pytest.mark.parametrize("what", ["count", "noise", "nan"])
def test_the_trial_run_leaves_no_trace_and_lets_be_what_it_can_not_judge(what):
    supernet = Supernet(ModelSpace(Odd, what), example=X, seed=0)
    assert int(supernet.model.calls) == 0
    assert supernet.training
    assert not supernet.model.drop.training
    assert supernet.architecture == {"width": 4}


def test_a_number_that_forward_keeps_from_the_architecture_before():
    class Cached(nn.Module):
        def __init__(self):
            super().__init__()
            self.width = choice("width", [4, 8])
            self.layer = nn.Linear(3, self.width)
            self.cached = None

        def forward(self, x):
            if self.cached is None:
                self.cached = torch.ones((), device=x.device) / self.width
            return (self.layer(x) * self.cached).sum(1)

    assert "For {'width': 4} the supernet returns other numbers" in message_of(Cached, X)


def test_the_greatest_architecture_may_be_excluded():
    space = ModelSpace(Odd, "count").where(lambda a: a["width"] == 4)
    assert Supernet(space, example=X, seed=0).architecture == {"width": 4}


def test_a_supernet_on_meta_is_not_run():
    assert next(Supernet(ModelSpace(Odd, "count"), example=X, device="meta").parameters()).is_meta


def test_a_forward_that_fails_for_the_supernet_alone():
    class Net(Careless):
        def forward(self, x):
            if not x.is_meta and self.layer.weight.shape[0] != int(KEPT["width"]):
                raise ValueError("stale")
            return self.layer(x)

    assert (
        "For {'width': 4} the supernet fails where the model built alone runs: ValueError: stale"
        in message_of(Net, X)
    )


def test_a_state_besides_tensors_is_refused():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = Counting(3, choice("width", [4, 8]))

        def forward(self, x):
            return self.layer(x)

    class Counting(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            self.inner = nn.Linear(*sizes)

        def get_extra_state(self):
            return {"calls": 1}

        def set_extra_state(self, state):
            """Take none."""

    assert (
        "has 'layer._extra_state', which is not a tensor of 'layer' (Counting): "
        "get_extra_state or a hook adds it"
    ) in message_of(Net)


def test_modules_in_a_plain_list_are_refused_where_they_hold_choices():
    class Net(nn.Module):
        def __init__(self, *, searched):
            super().__init__()
            width = choice("width", [4, 8])
            self.layer = nn.Linear(3, width)
            self.more = {"a": [nn.Linear(width, 2) if searched else self.layer]}

    message = message_of(lambda: Net(searched=True))
    assert message.startswith(
        "'more' holds a Linear with the choice of ['width'] in a plain dict, "
        "where neither PyTorch nor a supernet finds it."
    )
    assert Supernet(ModelSpace(lambda: Net(searched=False)), seed=0).space.size() == 2
