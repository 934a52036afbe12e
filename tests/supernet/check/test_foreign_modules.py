"""Modules as others write them, which know nothing of choices: each is searched rightly, or refused with a
clear error.
"""

import copy
import math
import pickle
import re
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from retia.errors import SupernetError
from retia.nn import ModelSpace, layer_choice, repeat
from retia.space import apply, choice, greatest, least, scope
from retia.supernet import Supernet

X = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))  # (B, T, D)


class Token(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.project = nn.Linear(4, width)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(4, width) * 0.02)
        self.scale = nn.Parameter(torch.ones(width).unsqueeze(0))
        self.shift = nn.Parameter(torch.full((width,), 0.5))
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), -1, -1), self.project(x)], 1)
        return (x + self.positions) * self.scale + self.shift


class Lists(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.project = nn.Linear(4, width)
        self.gains = nn.ParameterList([nn.Parameter(torch.rand(width)) for _ in range(2)])
        self.shifts = nn.ParameterDict(
            {"a": nn.Parameter(torch.rand(width, 1)), "b": nn.Parameter(torch.rand(3, width))}
        )

    def forward(self, x):
        x = self.project(x)
        for gain in self.gains:
            x = x * gain
        return x + self.shifts["a"][:, 0] + self.shifts["b"]


class Buffers(nn.Module):
    """Buffers saved and unsaved; a moving average that forward assigns, one that it changes in place, and a
    count.
    """

    def __init__(self, width):
        super().__init__()
        self.project = nn.Linear(4, width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("square", torch.ones(1, width))
        self.register_buffer("numbers", torch.arange(width).unsqueeze(0), persistent=False)
        self.register_buffer("mask", torch.tril(torch.ones(width, width)), persistent=False)
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x):
        x = self.project(x)
        if self.training:
            mean = x.detach().mean((0, 1))
            self.mean = 0.9 * self.mean + 0.1 * mean
            self.square.mul_(0.9).add_(0.1 * (mean * mean))
            self.calls += 1
        return ((x - self.mean) / (self.square + 1).sqrt() + self.numbers) @ self.mask


@dataclass(slots=True)
class Inner:
    slope: float
    sizes: list = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    factor: int


@dataclass
class Config:
    width: int
    heads: int
    inner: Inner
    named: dict
    stages: list


class Configured(nn.Module):
    """Reads everything from a configuration in forward, also what is nested in lists, dictionaries and other
    objects.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.project = nn.Linear(4, config.width)
        self.table = {"heads": config.heads, "more": [config.width, 1]}
        self.pairs = [(config.heads, "x")]

    def forward(self, x):
        heads = self.table["heads"]
        x = self.project(x).view(*x.shape[:2], heads, self.table["more"][0] // heads)
        x = functional.leaky_relu(x, self.config.inner.slope).sum(-1)
        for stage in self.config.stages:
            x = x * stage.factor
        return x * self.config.inner.sizes[0] + self.config.named["shift"] + self.pairs[0][0]


def configured():
    heads = choice("heads", [2, 4])
    width = heads * choice("head_width", [3, 6])
    config = Config(
        width,
        heads,
        Inner(choice("slope", [0.1, 0.2]), [width, 2]),
        {"shift": heads + 1},
        [Stage(heads), Stage(choice("factor", [2, 3]))],
    )
    return Configured(config)


class Tied(nn.Module):
    """One tensor under two names, and one module in two places."""

    def __init__(self, width):
        super().__init__()
        self.embed = nn.Embedding(7, width)
        self.mix = nn.Linear(width, width)
        self.again = self.mix
        self.head = nn.Linear(width, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        x = self.embed((x[..., 0] * 10).long() % 7)
        return self.head(self.again(self.mix(x)))


class Ratio(nn.Module):
    """Tensors that are largest where the choice is smallest."""

    def __init__(self):
        super().__init__()
        ratio = choice("ratio", [2, 4, 8])
        self.squeeze = nn.Linear(4, 32 // ratio)
        self.gain = nn.Parameter(torch.rand(32 // ratio, ratio))
        self.expand = nn.Linear(ratio, 2)

    def forward(self, x):
        return self.expand(self.squeeze(x) @ self.gain)


class Functions(nn.Module):
    """Functions without choices in attributes, class attributes, and a size taken from a tensor in
    forward.
    """

    kinds: ClassVar = {"relu": functional.relu}

    def __init__(self, width):
        super().__init__()
        self.project = nn.Linear(4, width)
        self.activation = functional.gelu
        self.scaled = partial(torch.mul, other=2.0)
        self.width = width
        self.shifted = self.shift  # a bound method, which reads the attribute

    def shift(self, x):
        return x + 1 / math.sqrt(self.width)

    def forward(self, x):
        x = self.kinds["relu"](self.scaled(self.activation(self.project(x))))
        return self.shifted(x) * self.project.weight.shape[0]


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        with scope("stem"):
            width = choice("width", [4, 8])
        with scope("head"):
            hidden = choice("width", [5, 6])
        self.stem = nn.Linear(4, width)
        self.body = repeat("body", lambda _: Residual(width), (0, 2))
        self.head = nn.Linear(width, hidden)

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        inner = choice("inner", [3, 9])
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.gate = nn.Parameter(torch.rand(inner))

    def forward(self, x):
        return x + self.down(self.up(x) * self.gate)


def widths():
    return choice("width", [4, 8])


MODELS = {
    "tokens": lambda: Token(widths()),
    "lists": lambda: Lists(widths()),
    "buffers": lambda: Buffers(widths()),
    "configuration": configured,
    "tied": lambda: Tied(widths()),
    "ratio": Ratio,
    "functions": lambda: Functions(widths()),
    "blocks": Blocks,
}


def architectures(space):
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    rng = np.random.default_rng(0)
    extremes = [
        space.canonical({label: extreme(domain) for label, domain in domains.items()})
        for extreme in (least, greatest)
    ]
    return [*extremes, *(space.sample(rng) for _ in range(3))]


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def part_of_gradient(use):
    """Return of a full tensor's gradient what `use` is of the tensor."""
    full = use.module._parameters[use.tensor]
    weights, full.data = full.data, full.grad
    part = use.part.detach().clone()
    full.data = weights
    return part


def assert_holds(supernet, architecture, x=X):
    """Compare the supernet with a subnet: outputs, gradients, and the buffers that a call changes."""
    supernet.activate(architecture)
    model = supernet.subnet()
    built = supernet.space.build(architecture, seed=0).state_dict()
    assert {name: t.shape for name, t in model.state_dict().items()} == {
        name: t.shape for name, t in built.items()
    }
    supernet.zero_grad(set_to_none=True)
    found, expected = supernet(x), model(x)
    close(found, expected)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    alone = dict(model.named_parameters(remove_duplicate=False))
    for use in supernet.parts():
        if use.name in alone:
            close(part_of_gradient(use), alone[use.name].grad)
    for name, tensor in supernet.extract().items():
        close(tensor, model.state_dict()[name])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("example", [None, X])
@pytest.mark.parametrize("name", MODELS)
def test_the_supernet_computes_what_the_models_do(name, example, training):
    supernet = Supernet(ModelSpace(MODELS[name]), example=example, seed=0).train(training)
    for architecture in architectures(supernet.space):
        assert_holds(supernet, architecture)


@pytest.mark.parametrize("name", MODELS)
def test_copies_compute_the_same(name):
    supernet = Supernet(ModelSpace(MODELS[name]), seed=0).eval()
    twin = copy.deepcopy(supernet)
    for architecture in architectures(supernet.space):
        twin.activate(architecture)
        close(twin(X), supernet.subnet(architecture)(X))


def test_it_pickles():
    supernet = Supernet(ModelSpace(Ratio), seed=0)
    again = pickle.loads(pickle.dumps(supernet))
    again.activate({"ratio": 8})
    close(again(X), supernet.subnet({"ratio": 8})(X))


def test_full_tensors_are_as_large_as_any_architecture_needs():
    model = Supernet(ModelSpace(Ratio), seed=0).model
    assert {name: tuple(parameter.shape) for name, parameter in model.named_parameters()} == {
        "gain": (16, 8),
        "squeeze.weight": (16, 4),
        "squeeze.bias": (16,),
        "expand.weight": (2, 8),
        "expand.bias": (2,),
    }


def test_tied_tensors_stay_tied():
    supernet = Supernet(ModelSpace(MODELS["tied"]), seed=0)
    assert supernet.model.head._parameters["weight"] is supernet.model.embed._parameters["weight"]
    weights = supernet.extract({"width": 4})
    assert torch.equal(weights["head.weight"], weights["embed.weight"])
    assert torch.equal(weights["again.weight"], weights["mix.weight"])


def test_a_moving_average_moves_only_its_part():
    supernet = Supernet(ModelSpace(MODELS["buffers"]), seed=0)
    supernet.activate({"width": 4})
    supernet(X)
    mean = supernet.model._buffers["mean"]
    assert mean.shape == (8,)
    assert mean[:4].abs().min() > 0
    assert mean[4:].tolist() == [0, 0, 0, 0]
    assert int(supernet.model.calls) == 1


def message_of(factory, example=None):
    with pytest.raises(SupernetError) as caught:
        Supernet(ModelSpace(factory), example=example, seed=0)
    return str(caught.value)


class Plain(nn.Module):
    """A layer and whatever a test hangs on it."""

    def __init__(self, **attributes):
        super().__init__()
        self.layer = nn.Linear(4, 8)
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.layer(x)


def closure(value):
    return lambda x: x * value


def with_default(value):
    def function(x, by=value):
        return x * by

    return function


def with_keyword(value):
    def function(x, *, by=value):
        return x * by

    return function


@pytest.mark.parametrize(
    "capture",
    [
        closure,
        with_default,
        with_keyword,
        lambda value: partial(torch.mul, other=value),
        lambda value: partial(pow, value),
    ],
)
def test_a_function_that_has_captured_a_choice(capture):
    message = message_of(lambda: Plain(function=capture(choice("factor", [1, 2]))))
    assert message.startswith(
        "'function' is a function that has captured the choice of ['factor'], where a supernet can't set it."
    )
    assert "Keep the value in an attribute of the module" in message


def test_a_function_in_a_list():
    message = message_of(lambda: Plain(functions=[torch.neg, {"a": closure(choice("factor", [1, 2]))}]))
    assert message.startswith("'functions' is a function that has captured the choice of ['factor']")


def test_a_hook_that_has_captured_a_choice():
    def factory():
        net = Plain()
        factor = choice("factor", [1, 2])
        net.layer.register_forward_hook(lambda module, inputs, output: output * factor)
        return net

    assert message_of(factory).startswith(
        "'layer._forward_hooks' is a function that has captured the choice of ['factor']"
    )


def test_a_function_that_has_captured_a_configuration():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            config = Inner(choice("slope", [0.1, 0.9]))
            self.activation = lambda x: functional.leaky_relu(x, config.slope)

        def forward(self, x):
            return self.activation(x)

    supernet = Supernet(ModelSpace(Net), seed=0)
    for slope in (0.1, 0.9):
        supernet.activate({"slope": slope})
        assert torch.equal(supernet(-torch.ones(2)), torch.full((2,), -slope))


@pytest.mark.parametrize(
    ("lose", "shape"),
    [
        (lambda width: int(width * 0.75), 6),
        (lambda width: round(width / 2), 4),
        (lambda width: max(width, 6), 4),
        (lambda width: len(range(width)), 8),
        (lambda width: int(f"{width}"), 8),
        (lambda width: math.ceil(width / 3), 3),
    ],
)
def test_a_size_that_forgets_its_choice(lose, shape):
    message = message_of(
        lambda: nn.Sequential(
            nn.Linear(4, lose(choice("width", [4, 8]))), Plain(width=choice("width", [4, 8]))
        )
    )
    assert f"'0.weight' of '0' (Linear) has the shape ({shape}, 4) in the supernet" in message
    assert "It does not follow the choice 'width'." in message
    assert "use retia.apply(...)" in message


def test_the_remedy_of_such_an_error():
    supernet = Supernet(
        ModelSpace(lambda: nn.Linear(4, apply(lambda width: int(width * 0.75), choice("width", [4, 8])))),
        seed=0,
    )
    for architecture in supernet.space.enumerate():
        assert_holds(supernet, architecture)


class Branching(nn.Module):
    """Loses its choice without a trace in any tensor's shape."""

    def __init__(self, how):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.depth = choice("depth", [1, 2])
        self.act = nn.ReLU() if self.depth == 1 or how != "module" else nn.Tanh()
        self.function = functional.relu if self.depth == 1 or how != "function" else torch.tanh
        self.scale = 1 / math.sqrt(self.depth) if how == "number" else 1.0
        self.helper = partial(torch.mul, other=int(self.depth)) if how == "partial" else torch.neg
        self.inside = closure(int(self.depth)) if how == "closure" else torch.neg
        self.settings = {"times": int(self.depth)} if how == "dict" else {"times": 1}
        self.config = (
            Inner(float(self.depth), [Stage(2)])
            if how == "slots"
            else Inner(1.0, [Stage(int(self.depth) if how == "frozen" else 2)])
        )
        self.numbers = (
            range(self.depth) if how == "range" else np.arange(self.depth) if how == "numpy" else range(1)
        )
        self.kind = (
            {int(self.depth): nn.ReLU, 3: nn.Tanh}
            if how == "keys"
            else Stage
            if how != "class" or self.depth == 2
            else Inner
        )
        if how == "conv":
            self.conv = nn.Conv1d(3, 3, 1, stride=2 if self.depth == 2 else 1)

    def forward(self, x):
        x = (
            self.function(self.act(self.layer(x)))
            * self.scale
            * self.settings["times"]
            * len(self.numbers)
            * len(str(self.kind))
        )
        x = x * self.config.slope * self.config.sizes[0].factor
        return self.inside(self.helper(x if not hasattr(self, "conv") else self.conv(x)))


@pytest.mark.parametrize("example", [None, X])
@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("module", r"'act' is a Tanh in the supernet, but a ReLU in the model of {'depth': 1} built alone\."),
        (
            "function",
            r"The model itself \(Branching\) has function = tanh in the supernet, but relu in the model",
        ),
        (
            "number",
            r"The model itself \(Branching\) has scale = 0\.707\d+ in the supernet, but 1\.0 in the model",
        ),
        (
            "partial",
            r"The model itself \(Branching\) has helper = functools.partial\(.*other=2\) in the supernet",
        ),
        (
            "closure",
            r"The model itself \(Branching\) has inside = closure\.<locals>\.<lambda> that holds \[2\] in the supernet, but .* that holds \[1\]",
        ),
        (
            "slots",
            r"The model itself \(Branching\) has config\.slope = 2\.0 in the supernet, but 1\.0 in the model",
        ),
        (
            "frozen",
            r"The model itself \(Branching\) has config\.sizes\.factor = 2 in the supernet, but 1 in the model",
        ),
        (
            "range",
            r"The model itself \(Branching\) has numbers = range\(0, 2\) in the supernet, but range\(0, 1\) in the model",
        ),
        (
            "numpy",
            r"The model itself \(Branching\) has numbers = array\(\[0, 1\]\) in the supernet, but array\(\[0\]\) in the model",
        ),
        ("class", r"The model itself \(Branching\) has kind = Stage in the supernet, but Inner in the model"),
        (
            "keys",
            r"The model itself \(Branching\) has kind = {2: .*} in the supernet, but {1: .*} in the model",
        ),
        (
            "dict",
            r"The model itself \(Branching\) has settings = {'times': 2} in the supernet, but {'times': 1}",
        ),
    ],
)
def test_a_choice_that_leaves_no_trace_in_the_shapes(how, what, example):
    message = message_of(lambda: Branching(how), example)
    assert re.match(what, message)
    assert "It does not follow the choice 'depth'." in message


def test_a_stride_that_leaves_no_trace_in_the_shapes():
    message = message_of(lambda: Branching("conv"))
    assert message.startswith(
        "'conv' (Conv1d) has stride = (2,) in the supernet, but (1,) in the model of {'depth': "
        "1} built alone."
    )
    assert "If forward does not need it, give Supernet(..., example=...)" in message


class Initialised(nn.Module):
    """Keeps what only its constructor needs."""

    counter: ClassVar = [0]

    def __init__(self):
        super().__init__()
        width = choice("width", [4, 8])
        self.counter[0] += 1
        self.number = self.counter[0]
        self.deviation = 1 / math.sqrt(width)
        self.spare = nn.Identity() if width == 8 else nn.Flatten()
        self.layer = nn.Linear(4, width)
        nn.init.normal_(self.layer.weight, std=self.deviation)

    def forward(self, x):
        return self.layer(x)


def test_what_forward_does_without_may_differ():
    assert "deviation = 0.35" in message_of(Initialised)
    supernet = Supernet(ModelSpace(Initialised), example=X, seed=0)
    for architecture in supernet.space.enumerate():
        supernet.activate(architecture)
        close(supernet(X), supernet.subnet()(X))


class Unwatched:
    """An object of which no class may derive."""

    def __init__(self, value):
        self.value = value

    def __init_subclass__(cls):
        raise TypeError


class Incomparable:
    __slots__ = ()
    __hash__ = None

    def __eq__(self, other):
        raise NotImplementedError


def test_what_can_not_be_watched_counts_as_read():
    assert "has held.value = 2 in the supernet, but 1" in message_of(
        lambda: Plain(held=Unwatched(int(choice("value", [1, 2]))), kept=choice("value", [1, 2])), X
    )


def test_what_can_not_be_compared_counts_as_equal():
    supernet = Supernet(ModelSpace(lambda: Plain(odd=Incomparable(), width=choice("width", [4, 8]))), seed=0)
    assert_holds(supernet, {"width": 4})


class OnlyInTraining(nn.Module):
    def __init__(self):
        super().__init__()
        self.width = choice("width", [4, 8])
        self.layer = nn.Linear(4, self.width)
        self.rate = 1 / math.sqrt(self.width)

    def forward(self, x):
        x = self.layer(x)
        return x * self.rate if self.training else x


def test_what_forward_reads_only_in_training_is_seen():
    assert "has rate = 0.35" in message_of(OnlyInTraining, X)


class Stale(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice("width", [4, 8])
        SIZES["width"] = width
        self.layer = nn.Linear(4, width)

    def forward(self, x):
        return self.layer(x).view(-1, SIZES["width"])


SIZES = {}
"""What a careless module keeps outside of itself."""


def test_a_stale_size_outside_the_module_needs_an_example_to_be_seen():
    message = message_of(Stale, X)
    assert re.match(r"(The supernet fails for|For) {'width': \d}", message)
    assert (
        "It does not follow the choice 'width'. The forward of the model itself (Stale) reads a size that "
        "does not follow the choices"
    ) in message


def test_a_configuration_shared_by_all_models_needs_an_example_to_be_seen():
    shared = Inner(0.5, [4])

    def factory():
        shared.sizes = [choice("width", [4, 8])]
        net = Plain(config=shared)
        net.layer = nn.Linear(4, shared.sizes[0])
        net.forward = lambda x: net.layer(x).view(-1, net.config.sizes[0])
        return net

    assert "does not follow the choices" in message_of(factory, X)


def test_a_stale_size_deep_inside_names_the_module_and_the_choice():
    class Inside(nn.Module):
        def __init__(self, width):
            super().__init__()
            SIZES["width"] = width
            self.layer = nn.Linear(4, width)

        def forward(self, x):
            return self.layer(x).view(2, 3, SIZES["width"])

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, choice("hidden", [3, 5]))
            self.body = nn.Sequential(
                nn.Linear(self.first.out_features, 4),
                layer_choice("op", {"a": lambda: Inside(choice("width", [4, 8])), "b": nn.Identity}),
            )

        def forward(self, x):
            return self.body(self.first(x))

    message = message_of(Net, X)
    assert message.startswith(
        "The supernet fails for {'hidden': 3, 'op': 'a', 'op/a/width': "
        "4} where the model built alone runs: "
        "RuntimeError"
    )
    assert "It does not follow the choice 'op/a/width'. The forward of 'body.1' (" in message
    assert "Inside) reads a size that does not follow the choices" in message


def test_a_stale_size_that_fails():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, choice("width", [5, 6]))
            self.sizes = {int(self.first.out_features)}

        def forward(self, x):
            return self.first(x).view(6, *self.sizes)

    message = message_of(Fails, X)
    assert "The supernet fails for {'width': 5} where the model built alone runs: RuntimeError" in message


def test_numpy_and_legacy_tensors_that_forget_their_sizes():
    for make in (
        lambda n: torch.Tensor(n, 2),
        lambda n: torch.from_numpy(np.zeros((n, 2), np.float32)),
        lambda n: torch.tensor([[0.0, 0.0]] * n),
    ):
        message = message_of(
            lambda make=make: Plain(
                weight=nn.Parameter(make(choice("rows", [3, 5]))), rows=choice("rows", [3, 5])
            )
        )
        assert (
            "'weight' of the model itself (Plain) has the shape (5, 2) in the supernet, but (3, "
            "2) in the model of {'rows': 3} built alone."
        ) in message
        assert "It does not follow the choice 'rows'." in message
        assert "make tensors with their sizes (torch.zeros(1, width))" in message


def test_a_plain_tensor_in_an_attribute():
    message = message_of(lambda: Plain(mask=torch.ones(choice("rows", [3, 5])), rows=choice("rows", [3, 5])))
    assert (
        "has mask = a Tensor of the shape (5,) in the supernet, but a Tensor of the shape (3,) in the model "
        "of {'rows': 3}"
    ) in message


def test_a_label_without_a_slot():
    message = message_of(
        lambda: nn.Sequential(nn.Linear(4, widths()), nn.Linear(4, 4, bias=choice("bias", [True, False])))
    )
    assert "The choice 'bias' is in no attribute, tensor or layer choice of the supernet" in message
    assert "Make it a layer_choice or repeat" in message


def test_a_value_that_leaks_out_of_a_block():
    class Leaking(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [4]

            def block(_):
                widths.append(choice("width", [4, 6]))
                return nn.Linear(widths[-2], widths[-1])

            self.body = repeat("body", block, (1, 3))
            self.head = nn.Linear(widths[-1], 2)

        def forward(self, x):
            return self.head(self.body(x))

    message = message_of(Leaking)
    assert "'head.weight' of 'head' (Linear) has the shape" in message
    assert "built alone" in message


def test_layers_that_only_some_architectures_have():
    def factory():
        return nn.Sequential(
            Plain(layers=choice("layers", [1, 2])),
            *(nn.Tanh() for _ in range(choice("layers", [1, 2]))),
            nn.ReLU(),
        )

    message = message_of(factory)
    assert "'2' is a Tanh in the supernet, but a ReLU in the model of {'layers': 1} built alone" in message


@pytest.mark.parametrize(
    ("layers", "what"),
    [
        ([0, 1], "'layers.0' is a Tanh in the supernet, but absent in the model of {'layers': 0}"),
        ([-1, 0], "'layers.0' is absent in the supernet, but a Tanh in the model of {'layers': -1}"),
    ],
)
def test_layers_without_tensors_that_some_architectures_lack(layers, what):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = choice("layers", layers)
            self.layers = nn.Sequential(*(nn.Tanh() for _ in range(abs(self.count))))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x)

    for example in (None, X):
        assert what in message_of(Net, example)


def test_layers_that_forward_skips():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = choice("count", [1, 2, 3])
            self.layers = nn.ModuleList([Residual(4) for _ in range(self.count)])

        def forward(self, x):
            for layer in self.layers[: self.count]:
                x = layer(x)
            return x

    assert "'layers.1.gate' of 'layers.1' (Residual)" in message_of(Net)
    supernet = Supernet(ModelSpace(Net), example=X, seed=0)
    for architecture in supernet.space.enumerate():
        assert_holds(supernet, architecture)


def test_an_unsaved_buffer_computed_from_a_choice():
    class Rotary(nn.Module):
        def __init__(self):
            super().__init__()
            width = choice("width", [4, 8])
            self.layer = nn.Linear(4, width)
            self.register_buffer(
                "frequencies", 1 / 100 ** (torch.arange(0, width, 2) / width), persistent=False
            )

    message = message_of(Rotary)
    assert (
        "The buffer 'frequencies', which is in no state_dict, has other values in the model of {'width': "
        "4} built alone"
    ) in message


def test_a_model_that_reads_values_is_run_on_the_cpu():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, widths())
            self.rest = nn.Linear(4, 2)

        def forward(self, x):
            return self.layer(x) if float(x.sum()) > -1e9 else self.rest(x)

    supernet = Supernet(ModelSpace(Reads), example=X, seed=0)
    for architecture in supernet.space.enumerate():
        supernet.activate(architecture)
        close(supernet(X), supernet.subnet()(X))


def test_a_model_that_returns_as_many_rows_as_its_weights_say():
    class Selects(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, widths())

        def forward(self, x):
            x = self.layer(x) + torch.rand(())
            return x[x[..., 0] > 0.5]

    supernet = Supernet(ModelSpace(Selects), example=X, seed=0)  # the test fails if torch's generator moves
    assert supernet.space.size() == 2


def test_layer_choices_inside_a_module_of_others():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = widths()
            self.layers = nn.ModuleDict(
                {
                    "mix": layer_choice(
                        "mix", {"none": nn.Identity, "token": lambda: Lists(4), "deep": lambda: Residual(4)}
                    )
                }
            )
            self.head = nn.Linear(4, width)

        def forward(self, x):
            return self.head(self.layers["mix"](x)[..., :4])

    supernet = Supernet(ModelSpace(Net), example=X, seed=0)
    for architecture in supernet.space.enumerate():
        assert_holds(supernet, architecture)


class Collected(nn.Module):
    """Widths of the blocks of a stack, collected in a list, of which a head is computed."""

    def __init__(self, least, function):
        super().__init__()
        widths = [3]

        def block(index):
            width = choice("width", [4 + index, 8 - 2 * index])
            widths.append(width)
            return nn.Sequential(nn.Linear(4, width), nn.Linear(width, 4))

        self.body = repeat("body", block, (least, 3))
        self.head = nn.Linear(4, apply(function, widths))

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize(
    "function", [max, sum, len, lambda widths: widths[-1]], ids=["max", "sum", "len", "last"]
)
def test_widths_of_absent_blocks_are_left_out_of_what_is_computed_of_them(function, least):
    supernet = Supernet(ModelSpace(Collected, least, function), example=X, seed=0)
    for architecture in supernet.space.enumerate():
        supernet.activate(architecture)
        assert (
            supernet.model.head.out_features
            == supernet.space.build(architecture, device="meta").head.out_features
        )
        close(supernet(X), supernet.subnet()(X))


def test_what_a_candidate_computes_of_its_own_choices_needs_them_all():
    def candidate():
        outer = choice("outer", [1, 2])

        def inner():
            kernel = choice("kernel", [1, 3])
            return nn.Conv1d(3, 3, kernel, padding=apply(lambda pair: pair[1] // 2, [outer, kernel]))

        return nn.Sequential(
            nn.Linear(4, outer), nn.Linear(outer, 4), layer_choice("op", {"conv": inner, "none": nn.Identity})
        )

    supernet = Supernet(ModelSpace(candidate), example=X, seed=0)
    for architecture in supernet.space.enumerate():
        supernet.activate(architecture)
        close(supernet(X), supernet.subnet()(X))


def test_a_block_computes_of_its_own_width_and_the_one_before():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [4]

            def block(_):
                widths.append(choice("width", [4, 6]))
                inner = apply(min, widths[-2], widths[-1])
                return nn.Sequential(nn.Linear(4, inner), nn.Linear(inner, 4))

            self.body = repeat("body", block, (1, 3))

        def forward(self, x):
            return self.body(x)

    supernet = Supernet(ModelSpace(Net), example=X, seed=0)
    for architecture in supernet.space.enumerate():
        supernet.activate(architecture)
        close(supernet(X), supernet.subnet()(X))
