import json

import pytest
import torch
from torch import nn

from retia import hub
from retia.cost import Example, count, count_parameters
from retia.errors import SpaceError
from retia.hub import Darts, DropPath
from retia.hub.layers import FactorizedReduce, operations
from retia.nn import ModelSpace, seeded
from retia.testing import SUPERNET_LAWS

OPERATIONS = [
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
]


def everywhere(operation):
    """Return the architecture that has one operation everywhere, on the cell's two inputs."""
    nodes = [(cell, node) for cell in ("normal", "reduce") for node in range(4)]
    architecture = {f"{cell}/{node}/op/{i}": operation for cell, node in nodes for i in range(2)}
    return architecture | {f"{cell}/{node}/inputs": (0, 1) for cell, node in nodes if node > 0}


def small(**arguments):
    return ModelSpace(Darts, **{"width": 4, "cells": 3, "classes": 5, **arguments})


def images(size=32):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def darts_v2():
    return hub.load("darts-v2", device="meta")


def test_the_space_has_its_published_size():
    cell = 3 * 6 * 10 * 7**8
    assert cell == 1_037_664_180
    assert small().size() == cell**2 == 1_076_746_950_455_072_400


def test_the_choices_do_not_depend_on_the_size_of_the_network():
    space = small()
    assert (
        small(width=16, cells=8, stem="imagenet", auxiliary=True, drop_path=0.1).parameters
        == space.parameters
    )
    assert list(space.parameters["reduce/3/op/4"].domain.values) == OPERATIONS
    assert space.default() == everywhere("sep_conv_3x3")


def test_darts_v2_has_its_published_costs(darts_v2):
    cost = count(darts_v2, Example.of((3, 32, 32)))
    assert (cost.params, cost.macs) == (3_349_342, 528_359_040)


def test_darts_v2_is_the_published_architecture(darts_v2, shared_data):
    presets = json.loads((shared_data / "hub_presets" / "presets.json").read_text(encoding="utf-8"))
    (preset,) = [preset for preset in presets if preset["name"] == "darts-v2"]
    ours = {}
    for label, (state,) in [
        (label, value) for label, value in preset["choices"].items() if "/input_" in label
    ]:
        cell, node, _ = label.replace("/input", "").split("_")
        ours[f"{cell}/{int(node) - 2}/op/{state}"] = preset["choices"][label.replace("input", "op")]
        if node != "2":
            inputs = ours.get(f"{cell}/{int(node) - 2}/inputs", ())
            ours[f"{cell}/{int(node) - 2}/inputs"] = tuple(sorted((*inputs, state)))
    assert hub.architecture("darts-v2") == ours
    cost = count(darts_v2, Example.of(preset["input"]))
    assert (cost.params, cost.macs) == (preset["params"], preset["macs_conv_linear"])


def test_reductions_are_at_a_third_and_two_thirds(darts_v2):
    widths = [step.nodes[0](states(width, stride)).shape[1:] for step, width, stride in layers(darts_v2)]
    assert widths == [(36, 8, 8)] * 6 + [(72, 4, 4)] + [(72, 8, 8)] * 6 + [(144, 4, 4)] + [(144, 8, 8)] * 6


def layers(model):
    widths = [36] * 6 + [72] * 7 + [144] * 7
    return [
        (step, width, 2 if i in {6, 13} else 1)
        for i, (step, width) in enumerate(zip(model.cells, widths, strict=True))
    ]


def states(width, stride):
    return [torch.empty(2, width, 8, 8, device="meta")] * 2


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_the_stem_sets_the_size_of_the_feature_maps(stem):
    model = small(stem=stem).build(everywhere("skip_connect"), device="meta")
    shapes = []
    for step in model.cells:
        step.register_forward_hook(
            lambda _module, inputs, output: shapes.append([*(x.shape[1:] for x in inputs), output.shape[1:]])
        )
    assert model(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 5)
    if stem == "cifar":
        assert shapes == [
            [(12, 64, 64), (12, 64, 64), (16, 64, 64)],
            [(12, 64, 64), (16, 64, 64), (32, 32, 32)],
            [(16, 64, 64), (32, 32, 32), (64, 16, 16)],
        ]
    else:
        assert shapes == [
            [(4, 16, 16), (4, 8, 8), (16, 8, 8)],
            [(4, 8, 8), (16, 8, 8), (32, 4, 4)],
            [(16, 8, 8), (32, 4, 4), (64, 2, 2)],
        ]


@pytest.mark.parametrize(
    ("operation", "channels", "pieces"),
    [
        # Depthwise and pointwise convolutions, then batch norms.
        ("sep_conv_3x3", 8, 2 * (8 * 9 + 8 * 8 + 2 * 8)),
        ("sep_conv_5x5", 8, 2 * (8 * 25 + 8 * 8 + 2 * 8)),
        ("dil_conv_3x3", 8, 8 * 9 + 8 * 8 + 2 * 8),
        ("dil_conv_5x5", 8, 8 * 25 + 8 * 8 + 2 * 8),
        ("max_pool_3x3", 8, 0),
        ("avg_pool_3x3", 8, 0),
        ("skip_connect", 8, 0),
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_an_operation_has_its_parameters_and_shape(operation, channels, pieces, stride):
    with seeded(0):
        module = operations(channels, stride, drop_path=0.0)[operation]()
    if operation == "skip_connect" and stride == 2:
        pieces = 8 * 8 + 2 * 8
    assert count_parameters(module) == pieces
    assert module(torch.zeros(2, channels, 9, 9)).shape == (
        2,
        channels,
        9 // stride + stride - 1,
        9 // stride + stride - 1,
    )


@pytest.mark.parametrize(
    ("operation", "reach"),
    [("sep_conv_3x3", 2), ("sep_conv_5x5", 4), ("dil_conv_3x3", 2), ("dil_conv_5x5", 4), ("max_pool_3x3", 1)],
)
def test_an_operation_sees_its_kernel(operation, reach):
    with seeded(0):
        module = operations(2, 1, drop_path=0.0)[operation]().eval()
    for layer in module:
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    x = (torch.rand(1, 2, 17, 17, generator=torch.Generator().manual_seed(0)) + 1).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[0, :, 8, 8].sum(), x)
    rows = gradient[0].abs().sum((0, 2)).nonzero().flatten()
    assert rows.min() >= 8 - reach
    assert rows.max() <= 8 + reach
    if operation != "max_pool_3x3":
        assert [rows.min(), rows.max()] == [8 - reach, 8 + reach]


def test_a_factorized_reduction_sees_every_other_pixel_twice():
    with seeded(0):
        module = FactorizedReduce(1, 3).eval()
    nn.init.ones_(module.even.weight)
    nn.init.ones_(module.odd.weight)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    first, second, third = module(x)[0] * (1 + 1e-5) ** 0.5
    assert torch.equal(second, third)
    torch.testing.assert_close(
        torch.stack([first, second]), torch.tensor([[[0.0, 2], [8, 10]], [[5, 7], [13, 15]]])
    )


def test_the_auxiliary_classifier_speaks_in_training_only():
    model = small(cells=6, auxiliary=True).build(everywhere("skip_connect"), seed=0)
    plain = small(cells=6).build(everywhere("skip_connect"), device="meta")
    head = 64 * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * 5 + 5
    assert count_parameters(model) - count_parameters(plain) == head
    logits, auxiliary = model(images())
    assert logits.shape == auxiliary.shape == (2, 5)
    (gradient,) = torch.autograd.grad(
        auxiliary.sum(), model.cells[4].preprocess[1][1].weight, retain_graph=True
    )
    assert gradient.any()
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        torch.autograd.grad(auxiliary.sum(), model.cells[5].preprocess[1][1].weight)
    assert model.eval()(images()).shape == (2, 5)


def test_the_auxiliary_classifier_of_imagenet_takes_224_pixels():
    model = small(stem="imagenet", auxiliary=True, classes=1000).build(
        everywhere("skip_connect"), device="meta"
    )
    assert [logits.shape for logits in model(torch.empty(2, 3, 224, 224, device="meta"))] == [
        (2, 1000),
        (2, 1000),
    ]


def test_the_rate_of_drop_path_can_be_changed():
    model = small(drop_path=0.1).build(everywhere("sep_conv_3x3"), device="meta")
    paths = [module for module in model.modules() if isinstance(module, DropPath)]
    assert len(paths) == 3 * 8
    assert model.drop_path == 0.1
    assert {path.rate for path in paths} == {0.1}
    model.drop_path = 0.2
    assert model.drop_path == 0.2
    assert {path.rate for path in paths} == {0.2}


def test_identities_are_never_dropped():
    model = small(drop_path=0.1).build(everywhere("skip_connect"), device="meta")
    assert [sum(isinstance(module, DropPath) for module in step.modules()) for step in model.cells] == [
        0,
        8,
        8,
    ]


def test_drop_path_zeroes_samples_and_keeps_the_mean():
    layer = DropPath(0.25)
    with seeded(0):
        dropped = layer(torch.ones(4000, 2, 3))
    samples = dropped.flatten(1)
    assert torch.equal(samples, samples[:, :1].expand(-1, 6))
    torch.testing.assert_close(samples[:, 0].unique(), torch.tensor([0, 4 / 3]))
    assert abs(dropped.mean().item() - 1) < 0.03
    assert torch.equal(layer.eval()(torch.ones(4, 2)), torch.ones(4, 2))
    assert torch.equal(DropPath()(torch.ones(4, 2)), torch.ones(4, 2))
    assert repr(layer) == "DropPath(rate=0.25)"


@pytest.mark.parametrize("law", SUPERNET_LAWS, ids=lambda law: law.__name__)
def test_supernet(law):
    law(small(auxiliary=True, drop_path=0.2), images())


def test_a_network_needs_a_normal_cell():
    with pytest.raises(SpaceError, match="at least 3 cells, got 2"):
        small(cells=2)


def test_an_unknown_stem_is_an_error():
    with pytest.raises(SpaceError, match="'cifar' or 'imagenet', got 'mnist'"):
        small(stem="mnist")


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_of_drop_path_is_a_probability_below_one(rate):
    with pytest.raises(SpaceError, match=f"at least 0 and below 1, got {rate}"):
        small(drop_path=rate)
    model = small().build(everywhere("skip_connect"), device="meta")
    with pytest.raises(SpaceError, match=f"at least 0 and below 1, got {rate}"):
        model.drop_path = rate
