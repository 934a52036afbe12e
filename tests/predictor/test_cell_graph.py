import numpy as np
import pytest
import torch.nn as nn

from retia.nn import ModelSpace, cell
from retia.predictor import GaussianProcess, LabelledGraph, OneHot, Paths, WeisfeilerLehman, cell_graph, score
from retia.rng import stream
from retia.space import Categorical, Integer, SearchSpace

OPERATIONS = ("none", "skip", "conv", "pool")
CELL = SearchSpace(
    {f"edge/{edge}": Categorical(OPERATIONS) for edge in ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")}
)


def drawn(letters, **arguments):
    """The graph of the six operations, by their first letters, in the order of NAS-Bench-201; labels without
    their cell.
    """
    names = {name[0]: name for name in OPERATIONS}
    graph = cell_graph(CELL, **arguments)(
        CELL.validate(dict(zip(CELL.parameters, (names[letter] for letter in letters), strict=True)))
    )
    return [label.removeprefix("edge/") for label in graph.labels], list(graph.edges)


def test_operations_are_nodes_and_feed_those_behind_them():
    labels, edges = drawn("ccpspc")
    assert labels == ["input0", "conv", "conv", "pool", "skip", "pool", "conv", "output"]
    # 1<-0 feeds 2<-1 and 3<-1; 2<-0 and 2<-1 feed 3<-2; the three edges to node 3 feed the output.
    assert edges == [(0, 1), (0, 2), (1, 3), (0, 4), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7)]


def test_what_leads_nowhere_or_comes_from_nowhere_is_left_out():
    assert drawn("nncppn") == (["input0", "pool", "output"], [(0, 1), (1, 2)])  # 2<-1 and 3<-1 have no input
    assert drawn("ccpnnn") == (["input0", "output"], [])


def test_identities_are_passed_through_and_edges_may_stand_twice():
    assert drawn("scsnnc", identity=["skip"]) == (
        ["input0", "conv", "conv", "output"],
        [(0, 1), (1, 2), (0, 2), (2, 3)],
    )
    assert drawn("ssncnn", identity=["skip"], zero=[])[0] == [
        "input0",
        "none",
        "conv",
        "none",
        "none",
        "output",
    ]
    assert drawn("ssscnn", identity=["skip"])[1] == [(0, 1), (1, 2)]
    assert drawn("ssnnss", identity=["skip"]) == (["input0", "output"], [(0, 1), (0, 1)])


def test_neighbours_are_listed_for_each_edge():
    graph = LabelledGraph(("a", "b", "c"), ((0, 1), (0, 2), (0, 2), (1, 2)))
    assert graph.predecessors == [[], [0], [0, 0, 1]]
    assert graph.successors == [[1, 2, 2], [2], []]


@pytest.mark.parametrize("distinct", [True, False])
def test_cells_of_modules_are_known_by_their_labels(distinct):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell(
                "normal",
                {"conv": lambda: nn.Conv2d(3, 3, 1), "skip": nn.Identity},
                nodes=3,
                inputs=2,
                distinct=distinct,
            )

    space = ModelSpace(Net)
    graph_of = cell_graph(space)
    assert not graph_of.others
    for i in range(20):
        architecture = space.sample(stream(0, i))
        graph = graph_of(architecture)
        assert [label for label in graph.labels if "input" in label] == ["normal/input0", "normal/input1"]
        assert (
            len(graph.labels) == 2 + 6 + 1
        )  # three nodes sum two operations each, and all nodes are part of the output
        if distinct:
            sources = list(architecture.get("normal/2/inputs"))
        else:
            sources = [architecture[f"normal/2/input/{place}"] for place in range(2)]
        first_of = {0: {0}, 1: {1}, 2: {2, 3}, 3: {4, 5}}  # the nodes that each state sums
        assert [set(graph.predecessors[6 + place]) for place in range(2)] == [
            first_of[source] for source in sources
        ]


def test_other_parameters_are_named():
    space = CELL.extend({"width": Integer(8, 64)})
    assert cell_graph(space).others == {"width"}
    assert cell_graph(space)(space.sample(stream(0))).labels[0] == "edge/input0"


def test_a_space_without_cells_has_an_empty_graph():
    space = SearchSpace({"width": Integer(8, 64)})
    assert cell_graph(space)(space.default()) == LabelledGraph(())


def test_edges_that_are_there_or_not_are_no_operations():
    space = SearchSpace(
        {
            "edge/1<-0": Categorical((0, 1)),
            "edge/2<-0": Integer(0, 1),
            "edge/2<-1": Integer(0, 2),
            "operation": Categorical(("conv", "pool")),
        }
    )
    assert cell_graph(space).others == set(space.parameters)
    assert cell_graph(space)(space.default()) == LabelledGraph(())


# --- operations on the nodes, as in NAS-Bench-101

BLOCKS = ("conv3", "conv1", "pool")
EDGES = [(node, source) for node in range(1, 5) for source in range(node)]
MODULES = SearchSpace(
    {
        **{f"edge/{node}<-{source}": Categorical((0, 1)) for node, source in EDGES},
        **{f"operation/{i}": Categorical(BLOCKS) for i in (1, 2, 3)},
    }
)


def module(edges, *operations):
    values = {f"edge/{node}<-{source}": int((node, source) in edges) for node, source in EDGES}
    return MODULES.validate(
        {**values, **{f"operation/{i}": operation for i, operation in enumerate(operations, 1)}}
    )


def test_operations_on_nodes_are_wired():
    one = module([(1, 0), (2, 1), (4, 2), (4, 0)], "conv3", "pool", "conv1")  # node 3 is on no way
    assert cell_graph(MODULES)(one) == LabelledGraph(
        ("input", "conv3", "pool", "output"), ((0, 1), (1, 2), (0, 3), (2, 3))
    )
    assert cell_graph(MODULES).others == set()


def test_nodes_without_a_way_from_the_input_or_to_the_output_are_left_out():
    assert cell_graph(MODULES)(module([(2, 1), (4, 2), (3, 0)], "conv3", "pool", "conv1")) == LabelledGraph(
        ("input", "output")
    )
    assert cell_graph(MODULES)(module([(4, 0), (2, 1), (4, 2)], "conv3", "pool", "conv1")) == LabelledGraph(
        ("input", "output"), ((0, 1),)
    )


def test_operations_on_nodes_may_be_none_or_passed_through():
    one = module([(1, 0), (2, 0), (3, 1), (3, 2), (4, 3)], "conv1", "pool", "conv3")
    without = cell_graph(MODULES, zero=["pool"], identity=["conv1"])(one)
    assert without == LabelledGraph(("input", "conv3", "output"), ((0, 1), (1, 2)))


def test_modules_that_compute_the_same_are_alike_and_others_are_not():
    """The same module with its nodes in another order, and with another operation where it is used."""
    chain, reordered = (
        module([(1, 0), (2, 1), (4, 2)], "conv3", "pool", "conv1"),
        module([(2, 0), (3, 2), (4, 3)], "conv1", "conv3", "pool"),
    )
    other = module([(1, 0), (2, 1), (4, 2)], "pool", "conv3", "conv1")
    features = WeisfeilerLehman().fit(MODULES, [chain])([chain, reordered, other])
    assert (features[0] == features[1]).all()
    assert (features[0] != features[2]).any()
    assert Paths().fit(MODULES, [chain])([chain, reordered, other])[:, 0].tolist() == [1, 1, 0]


def test_the_graph_of_modules_ranks_better_than_their_matrix():
    """What is to be learnt depends on the module alone, and not on how it is written: convolutions on ways
    are good, the pool is bad.
    """

    def loss(architecture):
        labels = cell_graph(MODULES)(architecture).labels
        return labels.count("pool") - 3.0 * labels.count("conv3") - labels.count("conv1")

    some = list(dict.fromkeys(MODULES.sample(stream(0, i)) for i in range(400)))
    losses = np.array([loss(one) for one in some])
    by_graph, by_matrix = (
        score(GaussianProcess(encoding), MODULES, (some[:60], losses[:60]), (some[60:], losses[60:]))
        for encoding in (WeisfeilerLehman(), OneHot())
    )
    assert by_graph.spearman > 0.9
    assert by_matrix.spearman < by_graph.spearman - 0.25
