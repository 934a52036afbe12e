"""Every elastic layer, over every architecture of a small space: what the supernet computes is what the model
built alone does.
"""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from retia import choice
from retia.nn import ModelSpace
from retia.supernet import Supernet


@dataclass
class Case:
    """A layer, and what it is called with.

    Args:
        make: Makes the layer with choices.
        inputs: Makes its arguments from an architecture and a torch generator.
    """

    make: Callable[[], nn.Module]
    inputs: Callable[[Any, torch.Generator], tuple[Any, ...]]


def check_layer(case):
    """For every architecture, in training and evaluation: outputs, gradients, buffers, names and shapes equal
    those of the model built alone.
    """
    space = ModelSpace(case.make)
    supernet = Supernet(space, seed=0)
    _randomize(supernet)
    architectures = list(space.enumerate())
    assert len(architectures) > 1
    for training in (True, False):
        supernet.train(training)
        for architecture in architectures:
            supernet.activate(architecture)
            _compare(supernet, space, architecture, case.inputs)
    twin = copy.deepcopy(supernet)
    twin.activate(architectures[0])
    supernet.activate(architectures[-1])
    _compare(twin, space, architectures[0], case.inputs)
    unpickled, arguments = (
        pickle.loads(pickle.dumps(supernet.model)),
        case.inputs(architectures[-1], torch.Generator().manual_seed(1)),
    )
    torch.testing.assert_close(_run(unpickled, arguments), _run(supernet, arguments), rtol=0, atol=0)


def _compare(supernet, space, architecture, inputs):
    subnet = supernet.subnet()
    alone = space.build(architecture, device="meta")
    assert {name: tensor.shape for name, tensor in supernet.extract().items()} == {
        name: tensor.shape for name, tensor in alone.state_dict().items()
    }
    assert type(subnet) is type(alone)
    found, expected = (
        _run(model, inputs(architecture, torch.Generator().manual_seed(1))) for model in (supernet, subnet)
    )
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    gradients = _gradients(supernet)
    for name, parameter in subnet.named_parameters():
        theirs = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(gradients[name], theirs, rtol=1e-4, atol=1e-5)
    reached = sum(
        gradient.count_nonzero()
        for name, gradient in gradients.items()
        if name in dict(subnet.named_parameters())
    )
    assert reached == sum(
        parameter.grad.count_nonzero() for parameter in supernet.parameters() if parameter.grad is not None
    )
    extracted = supernet.extract()
    for name, buffer in subnet.named_buffers():
        if name in extracted:
            torch.testing.assert_close(extracted[name], buffer)


def _run(model, arguments):
    model.zero_grad()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        outputs = [
            output for output in tree_flatten(model(*arguments))[0] if isinstance(output, torch.Tensor)
        ]
    differentiable = [output for output in outputs if output.requires_grad]
    if differentiable:
        generator = torch.Generator().manual_seed(2)
        sum(
            (output * torch.randn(output.shape, generator=generator)).sum() for output in differentiable
        ).backward()
    elsewhere = [
        x.grad for x in tree_flatten(arguments)[0] if isinstance(x, torch.Tensor) and x.grad is not None
    ]
    return [output.detach() for output in outputs] + elsewhere


def _gradients(supernet):
    """Return the gradients of the full tensors, cut as the tensors are."""
    weights = [(parameter, parameter.data) for parameter in supernet.parameters()]
    try:
        for parameter, weight in weights:
            parameter.data = torch.zeros_like(weight) if parameter.grad is None else parameter.grad
        return supernet.extract()
    finally:
        for parameter, weight in weights:
            parameter.data = weight


def _randomize(supernet):
    """Fill all tensors, so that none is a constant such as the ones of a normalization."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in (*supernet.parameters(), *supernet.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.8 + 0.1)


def shaped(*sizes):
    """Return a function that draws a tensor, whose sizes may be labels."""

    def draw(architecture, generator):
        return (
            torch.randn(
                [architecture.get(size, 0) if isinstance(size, str) else size for size in sizes],
                generator=generator,
            ).requires_grad_(),
        )

    return draw


def tokens(architecture, generator):
    return (torch.randint(0, architecture.get("rows", 4), (2, 3), generator=generator),)


CONVOLUTIONS = {
    1: (nn.Conv1d, nn.ConvTranspose1d),
    2: (nn.Conv2d, nn.ConvTranspose2d),
    3: (nn.Conv3d, nn.ConvTranspose3d),
}
NORMS = {
    1: (nn.BatchNorm1d, nn.InstanceNorm1d),
    2: (nn.BatchNorm2d, nn.InstanceNorm2d),
    3: (nn.BatchNorm3d, nn.InstanceNorm3d),
}
POOLS = [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d]

CASES: dict[str, Case] = {}


def case(name, make, inputs):
    CASES[name] = Case(make, inputs)


for dims, kinds in CONVOLUTIONS.items():
    room = (9, 8, 7)[:dims]
    for kind in kinds:
        name = kind.__name__
        case(
            f"{name}-channels",
            lambda kind=kind: kind(choice("in", [2, 4]), choice("out", [3, 6]), 3),
            shaped(2, "in", *room),
        )
        case(
            f"{name}-kernel",
            lambda kind=kind: kind(2, 3, choice("k", [1, 3, 5]), padding=choice("k", [1, 3, 5]) // 2),
            shaped(2, 2, *room),
        )
        case(
            f"{name}-stride",
            lambda kind=kind: kind(
                2, 3, 3, stride=choice("s", [1, 2]), dilation=choice("d", [1, 2]), padding=2
            ),
            shaped(2, 2, *room),
        )
        case(
            f"{name}-groups",
            lambda kind=kind: kind(4, 8, 3, groups=choice("g", [1, 2, 4]), bias=False),
            shaped(2, 4, *room),
        )
        case(
            f"{name}-depthwise",
            lambda kind=kind: kind(w := choice("w", [2, 4]), w, choice("k", [3, 5]), groups=w),
            shaped(2, "w", *room),
        )
    plain = kinds[0]
    case(
        f"{plain.__name__}-even",
        lambda kind=plain: kind(2, 3, choice("k", [2, 3, 4, 5])),
        shaped(2, 2, *room),
    )
    case(
        f"{plain.__name__}-same",
        lambda kind=plain: kind(2, 3, choice("k", [3, 5]), padding="same", dilation=choice("d", [1, 2])),
        shaped(2, 2, *room),
    )
    for mode in ("reflect", "replicate", "circular"):
        case(
            f"{plain.__name__}-{mode}",
            lambda kind=plain, mode=mode: kind(
                2, 3, k := choice("k", [3, 5]), padding=k // 2, padding_mode=mode
            ),
            shaped(2, 2, *room),
        )
    case(
        f"{kinds[1].__name__}-output",
        lambda kind=kinds[1]: kind(2, 3, 3, stride=(s := choice("s", [2, 3])), output_padding=s - 1),
        shaped(2, 2, *room),
    )
    batch, instance = NORMS[dims]
    case(f"{batch.__name__}", lambda kind=batch: kind(choice("w", [2, 4])), shaped(3, "w", *room))
    case(
        f"{batch.__name__}-momentum",
        lambda kind=batch: kind(choice("w", [2, 4]), momentum=None),
        shaped(3, "w", *room),
    )
    case(
        f"{batch.__name__}-plain",
        lambda kind=batch: kind(choice("w", [2, 4]), affine=False, track_running_stats=False),
        shaped(3, "w", *room),
    )
    case(
        f"{batch.__name__}-eps",
        lambda kind=batch: kind(3, eps=choice("e", [1e-5, 1e-1])),
        shaped(3, 3, *room),
    )
    case(f"{instance.__name__}", lambda kind=instance: kind(choice("w", [2, 4])), shaped(3, "w", *room))
    case(
        f"{instance.__name__}-tracked",
        lambda kind=instance: kind(choice("w", [2, 4]), affine=True, track_running_stats=True),
        shaped(3, "w", *room),
    )
    for pool in POOLS[dims - 1 :: 3]:
        case(
            pool.__name__,
            lambda kind=pool: kind(choice("k", [2, 3]), stride=choice("s", [1, 2]), padding=1),
            shaped(2, 2, *room),
        )
    for pool in [
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
        (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    ]:
        case(
            pool[dims - 1].__name__,
            lambda kind=pool[dims - 1]: kind(choice("size", [1, 3])),
            shaped(2, 2, *room),
        )

for kind in CONVOLUTIONS[2]:
    case(
        f"{kind.__name__}-both",
        lambda kind=kind: kind(
            choice("in", [4, 8]), choice("out", [4, 12]), 3, groups=choice("g", [1, 2, 4])
        ),
        shaped(2, "in", 9, 8),
    )
case("Conv2d-oblong", lambda: nn.Conv2d(2, 3, (choice("h", [1, 3]), choice("w", [3, 5]))), shaped(2, 2, 9, 8))
case("Conv2d-pair", lambda: nn.Conv2d(2, 3, choice("k", [(1, 5), (3, 3), (5, 1)])), shaped(2, 2, 9, 8))
case("Linear", lambda: nn.Linear(choice("in", [3, 5]), choice("out", [2, 4])), shaped(2, "in"))
case(
    "Linear-plain",
    lambda: nn.Linear(choice("in", [3, 5]), choice("out", [2, 4]), bias=False),
    shaped(2, 3, "in"),
)
case(
    "Bilinear",
    lambda: nn.Bilinear(choice("a", [2, 3]), 2, choice("out", [2, 4])),
    lambda a, g: (*shaped(2, "a")(a, g), *shaped(2, 2)(a, g)),
)
case("LayerNorm", lambda: nn.LayerNorm(choice("w", [2, 4])), shaped(3, "w"))
case("LayerNorm-shape", lambda: nn.LayerNorm((choice("h", [2, 3]), choice("w", [2, 4]))), shaped(3, "h", "w"))
case("LayerNorm-plain", lambda: nn.LayerNorm(choice("w", [2, 4]), elementwise_affine=False), shaped(3, "w"))
case("LayerNorm-biasless", lambda: nn.LayerNorm(choice("w", [2, 4]), bias=False), shaped(3, "w"))
case("RMSNorm", lambda: nn.RMSNorm(choice("w", [2, 4])), shaped(3, "w"))
case("RMSNorm-plain", lambda: nn.RMSNorm(choice("w", [2, 4]), elementwise_affine=False), shaped(3, "w"))
case("GroupNorm", lambda: nn.GroupNorm(choice("g", [1, 2, 4]), choice("w", [4, 8])), shaped(3, "w", 5))
case(
    "GroupNorm-plain",
    lambda: nn.GroupNorm(choice("g", [1, 2]), choice("w", [4, 8]), affine=False),
    shaped(3, "w", 5),
)
case("Embedding", lambda: nn.Embedding(choice("rows", [4, 6]), choice("w", [2, 4])), tokens)
case(
    "Embedding-padding",
    lambda: nn.Embedding(choice("rows", [4, 6]), choice("w", [2, 4]), padding_idx=1),
    tokens,
)
case("Embedding-last", lambda: nn.Embedding(choice("rows", [4, 6]), 3, padding_idx=-1), tokens)
case(
    "Embedding-norm", lambda: nn.Embedding(choice("rows", [4, 6]), choice("w", [2, 4]), max_norm=0.5), tokens
)
case("EmbeddingBag", lambda: nn.EmbeddingBag(choice("rows", [4, 6]), choice("w", [2, 4]), mode="sum"), tokens)
case("PReLU", lambda: nn.PReLU(choice("w", [2, 4])), shaped(3, "w", 5))
case("Dropout", lambda: nn.Dropout(choice("p", [0.1, 0.7])), shaped(3, 50))
case("Dropout2d", lambda: nn.Dropout2d(choice("p", [0.1, 0.7])), shaped(3, 20, 2, 2))
case("LeakyReLU", lambda: nn.LeakyReLU(choice("slope", [0.1, 0.7])), shaped(3, 5))
case("PixelShuffle", lambda: nn.PixelShuffle(choice("r", [1, 2])), shaped(2, 4, 3, 3))


class SelfAttention(nn.Module):
    def __init__(self, width, heads, *, masked=False, **kwargs):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, **kwargs)
        self.masked = masked

    def forward(self, x):
        mask = torch.ones(3, 3, dtype=torch.bool).triu(1) if self.masked else None
        return self.attention(x, x, x, need_weights=not self.masked, attn_mask=mask)


def attention(**kwargs):
    return lambda: SelfAttention(choice("w", [4, 8, 12]), choice("h", [1, 2, 4]), **kwargs)


def cross(keys, values, **kwargs):
    return lambda: nn.MultiheadAttention(
        choice("w", [4, 8]), choice("h", [1, 2]), kdim=keys(), vdim=values(), **kwargs
    )


def queries(keys, values):
    """Draw queries, keys and values; widths are labels or numbers."""
    return lambda a, g: (*shaped(3, 2, "w")(a, g), *shaped(5, 2, keys)(a, g), *shaped(5, 2, values)(a, g))


case("MultiheadAttention", attention(), shaped(3, 2, "w"))
case("MultiheadAttention-first", attention(batch_first=True), shaped(2, 3, "w"))
case("MultiheadAttention-mask", attention(batch_first=True, masked=True), shaped(2, 3, "w"))
case("MultiheadAttention-biasless", attention(bias=False), shaped(3, 2, "w"))
case("MultiheadAttention-biases", attention(add_bias_kv=True, add_zero_attn=True), shaped(3, 2, "w"))
case(
    "MultiheadAttention-dropout",
    lambda: SelfAttention(8, choice("h", [2, 4]), dropout=choice("p", [0.1, 0.5])),
    shaped(3, 2, 8),
)
case("MultiheadAttention-narrow", cross(lambda: 3, lambda: choice("v", [2, 5])), queries(3, "v"))
case("MultiheadAttention-sometimes", cross(lambda: choice("k", [4, 8]), lambda: 8), queries("k", 8))
case(
    "MultiheadAttention-wider",
    cross(lambda: choice("k", [4, 16]), lambda: choice("v", [8, 4]), bias=False),
    queries("k", "v"),
)
case(
    "MultiheadAttention-always",
    cross(lambda: choice("w", [4, 8]), lambda: choice("w", [4, 8]), add_bias_kv=True),
    queries("w", "w"),
)


def encoder(**kwargs):
    return lambda: nn.TransformerEncoderLayer(
        choice("w", [4, 8]), choice("h", [2, 4]), choice("ff", [6, 10]), batch_first=True, **kwargs
    )


case("TransformerEncoderLayer", encoder(dropout=0.1), shaped(2, 3, "w"))
case("TransformerEncoderLayer-first", encoder(norm_first=True, activation="gelu"), shaped(2, 3, "w"))
case(
    "TransformerEncoder",
    lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(
            choice("w", [4, 8]), choice("h", [2, 4]), choice("ff", [6, 10]), batch_first=True
        ),
        2,
    ),
    shaped(2, 3, "w"),
)
case(
    "TransformerDecoderLayer",
    lambda: nn.TransformerDecoderLayer(choice("w", [4, 8]), choice("h", [2, 4]), choice("ff", [6, 10])),
    lambda a, g: (*shaped(3, 2, "w")(a, g), *shaped(5, 2, "w")(a, g)),
)

for kind in (nn.LSTM, nn.GRU, nn.RNN):
    case(kind.__name__, lambda kind=kind: kind(choice("in", [2, 3]), choice("h", [2, 4])), shaped(5, 3, "in"))
    case(
        f"{kind.__name__}-layers",
        lambda kind=kind: kind(2, choice("h", [2, 4]), choice("n", [1, 2, 3]), batch_first=True),
        shaped(3, 5, 2),
    )
    case(
        f"{kind.__name__}-directions",
        lambda kind=kind: kind(
            2, choice("h", [2, 4]), choice("n", [1, 2]), bidirectional=choice("both", [False, True])
        ),
        shaped(5, 3, 2),
    )
    case(
        f"{kind.__name__}-biasless",
        lambda kind=kind: kind(choice("in", [2, 3]), choice("h", [2, 4]), bias=False),
        shaped(5, "in"),
    )
    case(
        f"{kind.__name__}-dropout",
        lambda kind=kind: kind(2, choice("h", [2, 4]), choice("n", [2, 3]), dropout=0.5),
        shaped(5, 3, 2),
    )
case(
    "RNN-relu",
    lambda: nn.RNN(2, choice("h", [2, 4]), choice("n", [1, 2]), nonlinearity="relu"),
    shaped(5, 3, 2),
)
case(
    "LSTM-projection",
    lambda: nn.LSTM(
        2,
        choice("h", [4, 6]),
        choice("n", [1, 2]),
        proj_size=choice("p", [2, 3]),
        bidirectional=choice("both", [False, True]),
    ),
    shaped(5, 3, 2),
)
for kind in (nn.LSTMCell, nn.GRUCell, nn.RNNCell):
    case(kind.__name__, lambda kind=kind: kind(choice("in", [2, 3]), choice("h", [2, 4])), shaped(3, "in"))
    case(
        f"{kind.__name__}-biasless", lambda kind=kind: kind(2, choice("h", [2, 4]), bias=False), shaped(3, 2)
    )


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch says that it is slower
@pytest.mark.parametrize("name", CASES)
def test_the_activated_supernet_is_the_model_built_alone(name):
    check_layer(CASES[name])
