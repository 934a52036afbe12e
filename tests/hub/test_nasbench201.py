from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from retia.cost import Example, count, count_parameters
from retia.errors import ArchitectureError
from retia.hub import NasBench201, nasbench201_architecture, nasbench201_string
from retia.nn import ModelSpace
from retia.testing import SUPERNET_LAWS

EDGES = ["1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2"]
OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


def of(*operations):
    return {f"edge/{edge}": operation for edge, operation in zip(EDGES, operations, strict=True)}


@pytest.fixture(scope="module")
def space():
    return ModelSpace(NasBench201, classes=100)


def expected(pointwise, convolutions):
    """Parameters and multiply-adds of a network with 100 classes on 32 x 32 pixels, given how many edges of
    the cell are convolutions.
    """
    params = 3 * 16 * 9 + 2 * 16 + 2 * 64 + 64 * 100 + 100
    macs = 32 * 32 * 3 * 16 * 9 + 64 * 100
    for channels, side in [(16, 32), (32, 16), (64, 8)]:
        edges = pointwise * channels**2 + convolutions * 9 * channels**2
        params += 5 * (edges + (pointwise + convolutions) * 2 * channels)
        macs += 5 * side**2 * edges
    for channels, side in [(32, 16), (64, 8)]:
        block = channels // 2 * channels * 9 + channels**2 * 9 + channels // 2 * channels
        params += block + 4 * channels
        macs += side**2 * block
    return params, macs


def test_the_space_has_its_published_size(space):
    assert space.size() == 15_625
    assert list(space.parameters) == [f"edge/{edge}" for edge in EDGES]
    assert all(list(parameter.domain.values) == OPERATIONS for parameter in space.parameters.values())


@pytest.mark.parametrize(
    ("architecture", "pointwise", "convolutions"),
    [
        (of(*["none"] * 6), 0, 0),
        (of(*["skip_connect"] * 3, *["avg_pool_3x3"] * 3), 0, 0),
        (of(*["nor_conv_1x1"] * 6), 6, 0),
        (of(*["nor_conv_3x3"] * 6), 0, 6),
        (of("nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "avg_pool_3x3"), 1, 2),
    ],
)
def test_a_network_has_the_parameters_and_multiply_adds_of_its_convolutions(
    space, architecture, pointwise, convolutions
):
    cost = count(space.build(architecture, device="meta"), Example.of((3, 32, 32)))
    assert (cost.params, cost.macs) == expected(pointwise, convolutions)


def test_the_costs_are_those_of_the_published_table(space, shared_data):
    with np.load(shared_data / "nasbench201" / "nb201.npz") as table:
        names, operations = table["op_names"].tolist(), table["ops"]
        params, macs = table["params_M_c100"].astype(float), table["flops_M_c100"].astype(float)
    assert names == OPERATIONS
    counted = np.array([expected((row == 2).sum(), (row == 3).sum()) for row in operations]) / 1e6
    # The table rounds to thousands of parameters and ten thousands of multiply-adds.
    agrees = (abs(params - counted[:, 0]) < 0.00051) & (abs(macs - counted[:, 1]) < 0.0051)
    # 150 of its rows hold the costs of another cell, which for most computes the same function: they are as
    # many convolutions off.
    assert agrees.sum() == 15_625 - 150
    costs = {
        expected(pointwise, convolutions)
        for pointwise, convolutions in product(range(7), range(7))
        if pointwise + convolutions <= 6
    }
    recorded = {(round(p / 1e6, 3), round(m / 1e6, 2)) for p, m in costs}
    assert {(round(p, 3), round(m, 2)) for p, m in zip(params, macs, strict=True)} == recorded
    # Built and counted: a cell of each number of convolutions, on whichever edges, and some others.
    numbers = (10 * (operations == 2).sum(1) + (operations == 3).sum(1))[agrees]
    first_of_each = np.flatnonzero(agrees)[np.unique(numbers, return_index=True)[1]]
    assert len(first_of_each) == 28
    for i in {*first_of_each, *np.flatnonzero(agrees)[::1500]}:
        cost = count(
            space.build(of(*(names[operation] for operation in operations[i])), device="meta"),
            Example.of((3, 32, 32)),
        )
        assert abs(cost.params / 1e6 - params[i]) < 0.00051
        assert abs(cost.macs / 1e6 - macs[i]) < 0.0051


def test_the_default_is_a_convolution_on_every_edge(space):
    assert space.default() == of(*["nor_conv_3x3"] * 6)
    with torch.device("meta"):
        assert count_parameters(NasBench201()) == expected(0, 6)[0] - 90 * 65


def cell_of(space, *operations):
    return space.build(of(*operations), seed=0).stages[0]


@pytest.mark.parametrize(
    ("operations", "factor"),
    [
        (["skip_connect"] * 6, 4),
        (["skip_connect", "none", "skip_connect", "none", "none", "skip_connect"], 1),
        (["skip_connect", "skip_connect", "skip_connect", "none", "none", "skip_connect"], 2),
        (["skip_connect", "none", "none", "skip_connect", "skip_connect", "skip_connect"], 2),
        (["none", "skip_connect", "skip_connect", "none", "skip_connect", "avg_pool_3x3"], 1),
        (["none"] * 6, 0),
    ],
)
def test_a_cell_sums_the_paths_through_its_graph(space, operations, factor):
    x = torch.full((2, 16, 5, 5), 3.0)
    assert torch.equal(cell_of(space, *operations)(x), factor * x)


def test_an_average_pool_leaves_out_the_padding(space):
    cell = cell_of(space, "none", "none", "none", "avg_pool_3x3", "none", "none")
    x = torch.arange(16.0 * 9).reshape(1, 16, 3, 3)
    assert torch.equal(cell(x)[:, :, 0, 0], x[:, :, :2, :2].mean((2, 3)))
    assert torch.equal(cell(x)[:, :, 1, 1], x.mean((2, 3)))


@pytest.mark.parametrize(("operation", "kernel"), [("nor_conv_1x1", 1), ("nor_conv_3x3", 3)])
def test_a_convolution_stands_between_a_relu_and_a_batch_norm(space, operation, kernel):
    cell = cell_of(space, "none", "none", "none", operation, "none", "none")
    weight = cell.edges[3][1].weight
    assert weight.shape == (16, 16, kernel, kernel)
    x = torch.randn(2, 16, 6, 6, generator=torch.Generator().manual_seed(0))
    convolved = nn.functional.conv2d(x.relu(), weight, padding=kernel // 2)
    centred = convolved - convolved.mean((0, 2, 3), keepdim=True)
    normalized = centred / (convolved.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(cell(x), normalized)


def test_a_network_halves_height_and_width_twice(space):
    model = space.build(of(*["avg_pool_3x3"] * 6), seed=0)
    x = torch.zeros(2, 3, 32, 32)
    assert model.stages(model.stem(x)).shape == (2, 64, 8, 8)
    assert model(x).shape == (2, 100)


def test_layers_before_a_none_get_gradients_of_zero(space):
    model = space.build(of("nor_conv_1x1", *["none"] * 5), seed=0)
    model(torch.ones(2, 3, 8, 8)).sum().backward()
    gradient = model.stages[0].edges[0][1].weight.grad
    assert gradient is not None
    assert not gradient.any()


def test_the_arguments_scale_the_network():
    small = ModelSpace(NasBench201, channels=4, cells=1, classes=3).build(
        of(*["nor_conv_3x3"] * 6), device="meta"
    )
    assert [
        len(small.stages),
        small.stem[0].out_channels,
        small.classifier.in_features,
        small.classifier.out_features,
    ] == [5, 4, 16, 3]


@pytest.mark.parametrize("law", SUPERNET_LAWS, ids=lambda law: law.__name__)
def test_supernet(law):
    law(
        ModelSpace(NasBench201, channels=4, cells=1, classes=3),
        torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)),
    )


def test_strings_are_those_of_the_benchmark():
    # The cell with the best validation accuracy on CIFAR-10 after 200 epochs.
    architecture = of(
        "nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3", "nor_conv_1x1"
    )
    string = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    assert nasbench201_string(architecture) == string
    assert nasbench201_architecture(string) == architecture


def test_strings_and_architectures_are_one_to_one(space):
    strings = set()
    for operations in product(OPERATIONS, repeat=6):
        string = nasbench201_string(of(*operations))
        assert nasbench201_architecture(string) == of(*operations)
        strings.add(string)
    assert len(strings) == 15_625
    assert space.validate(nasbench201_architecture(string)) == of(*operations)


@pytest.mark.parametrize(
    "string",
    [
        "",
        "|nor_conv_3x3~0|",
        "|nor_conv_3x3~0|+|none~1|none~0|+|none~0|none~1|none~2|",
        "|conv_7x7~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+",
    ],
)
def test_a_string_of_another_form_is_an_error(string):
    with pytest.raises(
        ArchitectureError, match=r"is written '\|op~0\|\+.*one of \['none', .* got .*Write all six edges"
    ):
        nasbench201_architecture(string)


def test_an_architecture_of_another_space_has_no_string():
    with pytest.raises(ArchitectureError, match=r"'edge/1<-0' takes one of \['none', .*got nothing"):
        nasbench201_string({"width": 16})
    with pytest.raises(ArchitectureError, match=r"'edge/3<-2' takes one of \['none', .*got 'conv_7x7'"):
        nasbench201_string(of(*["none"] * 5, "conv_7x7"))
