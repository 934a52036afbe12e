from math import comb

import numpy as np
import pytest
import torch
from torch import nn

from retia.errors import SpaceError
from retia.nn import Cell, ModelSpace, cell, layer_choice, repeat, seeded
from retia.space import choice, expression_of, possible_values, values_of
from retia.supernet import Supernet
from retia.testing import SUPERNET_LAWS, assert_laws

SEVEN = {f"op{i}": nn.Identity for i in range(7)}
TWO = {"skip": nn.Identity, "double": lambda: Scale(2.0)}


class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def number(value):
    return torch.full((1, 1), float(value))


def darts(**keywords):
    return ModelSpace(lambda: cell("cell", SEVEN, **keywords))


def test_a_darts_cell_has_its_published_size():
    published = comb(2, 2) * comb(3, 2) * comb(4, 2) * comb(5, 2) * 7**8
    assert darts().size() == published == 1_037_664_180


def test_a_nasnet_cell_has_its_published_size():
    assert darts(distinct=False).size() == (2 * 3 * 4 * 5) ** 2 * 7**8


def test_one_operation_a_node():
    assert darts(nodes=3, operations_per_node=1).size() == 2 * 3 * 4 * 7**3
    assert darts(nodes=3, operations_per_node=1, distinct=False).size() == 2 * 3 * 4 * 7**3


def test_a_node_with_fewer_predecessors_takes_them_all():
    space = darts(nodes=2, inputs=1)
    assert space.size() == 7 * 7**2
    assert list(space.parameters) == ["cell/0/op/0", "cell/1/op/0", "cell/1/op/1"]


def test_the_labels_of_a_darts_cell():
    space = ModelSpace(lambda: cell("cell", TWO, nodes=2))
    conditions = {label: str(parameter.condition) for label, parameter in space.parameters.items()}
    assert conditions == {
        "cell/0/op/0": "always",
        "cell/0/op/1": "always",
        "cell/1/inputs": "always",
        "cell/1/op/0": "cell/1/inputs in {(0, 1), (0, 2)}",
        "cell/1/op/1": "cell/1/inputs in {(0, 1), (1, 2)}",
        "cell/1/op/2": "cell/1/inputs in {(0, 2), (1, 2)}",
    }
    assert len(list(space.enumerate())) == space.size() == 4 * 3 * 4


def test_a_darts_cell_computes_its_graph():
    space = ModelSpace(lambda: cell("cell", TWO, nodes=2))
    model = space.build(
        {
            "cell/0/op/0": "skip",
            "cell/0/op/1": "double",
            "cell/1/inputs": (0, 2),
            "cell/1/op/0": "double",
            "cell/1/op/2": "skip",
        }
    )
    first = 1 + 2 * 10
    assert model(number(1), number(10)).tolist() == [[first, 2 * 1 + first]]
    assert model.outputs == 2


def test_the_labels_of_a_nasnet_cell():
    space = ModelSpace(lambda: cell("cell", TWO, nodes=2, inputs=1, distinct=False))
    assert {label: str(parameter.domain.size) for label, parameter in space.parameters.items()} == {
        "cell/0/op/0": "2",
        "cell/0/op/1": "2",
        "cell/1/input/0": "2",
        "cell/1/op/0": "2",
        "cell/1/input/1": "2",
        "cell/1/op/1": "2",
    }


def nasnet(nodes, concat):
    return ModelSpace(
        lambda: cell("cell", TWO, nodes=nodes, operations_per_node=1, distinct=False, concat=concat)
    )


def test_a_nasnet_cell_computes_its_graph():
    architecture = {"cell/0/input/0": 1, "cell/0/op/0": "double", "cell/1/input/0": 0, "cell/1/op/0": "skip"}
    assert nasnet(2, "all").build(architecture)(number(3), number(5)).tolist() == [[10.0, 3.0]]


def test_both_operations_of_a_nasnet_node_may_take_the_same_input():
    space = ModelSpace(lambda: cell("cell", TWO, nodes=1, distinct=False))
    model = space.build(
        {"cell/0/input/0": 1, "cell/0/op/0": "skip", "cell/0/input/1": 1, "cell/0/op/1": "double"}
    )
    assert model(number(3), number(5)).tolist() == [[15.0]]


@pytest.mark.parametrize(("second", "used", "result"), [(1, 2, [[6.0, 5.0]]), (2, 1, [[6.0]])])
def test_loose_ends_are_the_nodes_that_no_node_uses(second, used, result):
    architecture = {
        "cell/0/input/0": 0,
        "cell/0/op/0": "double",
        "cell/1/input/0": second,
        "cell/1/op/0": "skip",
    }
    model = nasnet(2, "loose").build(architecture)
    assert model.outputs == len(model.concat) == used
    assert model(number(3), number(5)).tolist() == result


class LooseNet(nn.Module):
    def __init__(self, distinct):
        super().__init__()
        width = choice("width", [2, 3])
        self.stem = nn.Linear(4, width)
        self.cell = cell(
            "cell",
            {"linear": lambda: nn.Linear(width, width), "skip": nn.Identity},
            nodes=3,
            distinct=distinct,
            concat="loose",
        )
        self.head = nn.Linear(self.cell.outputs * width, 5)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.cell(x, x))


@pytest.mark.parametrize("distinct", [True, False])
def test_the_number_of_loose_ends_is_the_width_of_the_next_layer(distinct):
    space, seen = ModelSpace(LooseNet, distinct=distinct), set()
    for i in range(30):
        architecture = space.sample(np.random.default_rng(i))
        model = space.build(architecture, seed=i)
        assert model(torch.ones(2, 4)).shape == (2, 5)
        assert model.head.in_features == model.cell.outputs * architecture["width"]
        assert type(model.cell.outputs) is int
        seen.add(model.cell.outputs)
    assert seen == {1, 2, 3}


def test_cells_with_one_label_share_their_choices():
    def factory():
        return nn.ModuleList(cell("normal", TWO, nodes=2) for _ in range(4))

    space = ModelSpace(factory)
    assert space.size() == 4 * 3 * 4
    first, *others = space.build(space.sample(np.random.default_rng(1)))
    assert all(str(other) == str(first) for other in others)
    assert len({id(layer) for layer in (first, *others)}) == 4


def test_preprocessors_see_their_inputs():
    model = cell("cell", {"skip": nn.Identity}, nodes=1, preprocess=[lambda: Scale(10.0), Scale(100.0)])
    assert model(number(1), number(2)).tolist() == [[210.0]]


def test_choices_of_a_preprocessor_belong_to_the_cell():
    space = ModelSpace(
        lambda: cell(
            "cell",
            {"skip": nn.Identity},
            nodes=1,
            preprocess=[lambda: layer_choice("act", [nn.ReLU, nn.Tanh])] * 2,
        )
    )
    assert {label for label, parameter in space.parameters.items() if parameter.domain.size > 1} == {
        "cell/preprocess/0/act",
        "cell/preprocess/1/act",
    }


def test_operations_may_differ_from_edge_to_edge():
    def operations(node, predecessor):
        return {"scale": lambda: Scale(float(10 * node + predecessor))}

    model = ModelSpace(lambda: cell("cell", operations, nodes=2)).build(
        {
            "cell/0/op/0": "scale",
            "cell/0/op/1": "scale",
            "cell/1/inputs": (1, 2),
            "cell/1/op/1": "scale",
            "cell/1/op/2": "scale",
        }
    )
    first = 0 * 1 + 1 * 1
    assert model(number(1), number(1)).tolist() == [[first, 11 + 12 * first]]


def test_operations_by_edge_in_a_nasnet_cell():
    def operations(node, predecessor):
        return {"scale": lambda: Scale(float(predecessor))}

    space = ModelSpace(lambda: cell("cell", operations, nodes=1, operations_per_node=1, distinct=False))
    assert space.build({"cell/0/input/0": 1, "cell/0/op/0": "scale"})(number(7), number(7)).tolist() == [
        [7.0]
    ]


def test_another_dimension():
    model = cell("cell", {"skip": nn.Identity}, nodes=2, dim=0)
    assert model(number(1), number(2)).tolist() == [[3.0], [3.0]]


def test_a_plain_cell_is_the_default_architecture():
    with seeded(0):
        model = LooseNet(distinct=True)
    space = ModelSpace(LooseNet, distinct=True)
    assert str(space.build(space.default(), device="meta")) == str(model)


def test_what_is_built_holds_plain_numbers():
    space = ModelSpace(LooseNet, distinct=True)
    built = space.build(space.default(), device="meta").cell
    assert type(built) is Cell
    assert {type(i) for node in built.nodes for i in node.inputs} == {int}
    assert str(built.nodes[0]).startswith("Node(\n  inputs=(0, 1)\n")


def test_tracing_a_cell_compares_no_choice():
    def factory():
        return nn.Linear(2, cell("cell", TWO, nodes=3, concat="loose").outputs)

    assert ModelSpace(factory, explore=True).to_json() == ModelSpace(factory).to_json()


@pytest.mark.parametrize("name", ["nodes", "inputs", "operations_per_node"])
def test_a_number_below_one(name):
    with pytest.raises(
        SpaceError,
        match=rf"The cell 'c' needs at least one node, input and operation per node, got .*{name}=0",
    ):
        cell("c", TWO, **{name: 0})


def test_an_unknown_concat():
    with pytest.raises(SpaceError, match="The concat of the cell 'c' is 'all' or 'loose', got 'some'"):
        cell("c", TWO, concat="some")


def test_too_few_preprocessors():
    with pytest.raises(SpaceError, match="The cell 'c' has 2 inputs and needs as many preprocessors, got 1"):
        cell("c", TWO, preprocess=[nn.Identity])


def test_a_preprocessor_that_cannot_be_built():
    with pytest.raises(SpaceError, match="Candidate 1 of 'c/preprocess' can't be built: TypeError"):
        cell("c", TWO, preprocess=[nn.Identity, nn.Linear])


def test_an_operation_that_cannot_be_built():
    with pytest.raises(SpaceError, match="Candidate 'bad' of 'c/0/op/0' can't be built: TypeError"):
        ModelSpace(lambda: cell("c", {"good": nn.Identity, "bad": nn.Linear}))


# --- shared by the blocks of a searched depth, with a postprocessor, called


class Stacked(nn.Module):
    """Blocks of a searched depth, each with a cell of the one architecture that is searched."""

    def __init__(self, distinct=True, depth=(1, 3)):
        super().__init__()
        width = choice("width", [2, 3])
        self.stem = nn.Linear(4, width)

        def block(i):
            return Block(width, distinct)

        self.body = repeat("body", block, depth)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


class Block(nn.Module):
    def __init__(self, width, distinct):
        super().__init__()
        candidates = {
            "linear": lambda: nn.Linear(width, width),
            "act": lambda: layer_choice("act", [nn.Tanh, nn.Sigmoid]),
            "skip": nn.Identity,
        }
        self.cell = cell(
            "/cell",
            candidates,
            nodes=2,
            distinct=distinct,
            operations_per_node=1,
            concat="loose",
            postprocess=lambda outputs: nn.Linear(outputs * width, width),
        )

    def forward(self, x):
        return x + self.cell(x, x)


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("depth", [(1, 3), (0, 2)])
def test_a_cell_shared_by_the_blocks_of_a_searched_depth(distinct, depth):
    space = ModelSpace(Stacked, distinct, depth)
    cells = (2 * 4) * (
        3 * 4
    )  # of each node the predecessor and the operation, of which one chooses once more
    deep = 2 if depth == (0, 2) else 3
    assert space.size() == 2 * (deep * cells + (depth[0] == 0))
    assert not any(label.startswith("body/") for label in space.parameters)
    assert max(len(parameter.condition.alternatives) for parameter in space.parameters.values()) <= (
        2 if distinct else 1
    )
    for i in range(20):
        architecture = space.sample(np.random.default_rng(i))
        first, *others = space.build(architecture, device="meta").body or [None]
        assert all(str(other) == str(first) for other in others)


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("depth", [(1, 3), (0, 2)])
def test_a_shared_cell_in_a_supernet(distinct, depth):
    assert_laws(
        SUPERNET_LAWS,
        ModelSpace(Stacked, distinct, depth),
        torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
    )


def test_equal_networks_of_a_shared_cell_are_equal():
    space = ModelSpace(Stacked, depth=(1, 2))
    models = {str(space.build(architecture, device="meta")) for architecture in space.enumerate()}
    assert len(models) == space.size() == 2 * 2 * (2 * 4) * (3 * 4)


def test_a_postprocessor_sees_the_concatenated_nodes():
    model = cell("cell", {"skip": nn.Identity}, nodes=2, postprocess=lambda outputs: Scale(10.0 * outputs))
    assert model(number(1), number(2)).tolist() == [[60.0, 60.0]]
    copied = Scale(3.0)
    model = cell("cell", {"skip": nn.Identity}, nodes=1, postprocess=copied)
    assert model(number(1), number(2)).tolist() == [[9.0]]
    assert model.postprocess is not copied


def test_choices_of_a_postprocessor_belong_to_the_cell():
    space = ModelSpace(
        lambda: cell(
            "cell",
            {"skip": nn.Identity},
            nodes=1,
            postprocess=lambda outputs: layer_choice("act", [nn.ReLU, nn.Tanh]),
        )
    )
    assert {label for label, parameter in space.parameters.items() if parameter.domain.size > 1} == {
        "cell/postprocess/act"
    }


@pytest.mark.parametrize(
    "inputs",
    [lambda a: ([a, a],), lambda a: ((a, a),), lambda a: (a,), lambda a: (a, a, a), lambda a: ([a], [a])],
)
def test_a_cell_is_called_with_its_inputs_one_by_one(inputs):
    model = cell("cell", {"skip": nn.Identity}, nodes=1)
    with pytest.raises(
        SpaceError,
        match=r"is called with 2 tensors as separate arguments, got .*Write cell\(a, b\), not cell\(\[\.\.\.\]\)",
    ):
        model(*inputs(number(1)))


def test_a_cell_without_a_label():
    with pytest.raises(SpaceError, match=r"cell\(\.\.\.\) takes a label first, .*got \[.*: cell\('cell', \["):
        cell([nn.Identity, nn.ReLU])


def test_a_supernet_of_free_cells_with_loose_ends():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell(
                "cell", {"a": nn.Identity, "b": nn.Tanh}, nodes=5, distinct=False, concat="loose"
            )
            self.head = nn.Conv2d(3 * self.cell.outputs, 4, 1)

        def forward(self, x):
            return self.head(self.cell(x, x))

    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    supernet = Supernet(ModelSpace(Net), example=x, seed=0)
    assert supernet.model.head.full("weight").shape == (4, 15, 1, 1)  # of the five nodes all can be loose
    rng = np.random.default_rng(0)
    for _ in range(5):
        supernet.activate(supernet.space.sample(rng))
        torch.testing.assert_close(supernet(x), supernet.subnet()(x))


@pytest.mark.parametrize("distinct", [False, True])
def test_the_possible_loose_ends_are_those_of_all_combinations(distinct):
    noted = {}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell("c", [nn.Identity], nodes=3, distinct=distinct, concat="loose")
            noted.setdefault("ends", self.cell.concat)

    space = ModelSpace(Net)
    ends = expression_of(noted["ends"])
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    assert possible_values(ends, domains) == {ends for _, ends in values_of(ends, domains)}
    assert str(ends) == "loose ends of 3 nodes"
