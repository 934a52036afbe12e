import numpy as np
import pytest

from retia.predictor import LabelledGraph, OneHot, Paths, WeisfeilerLehman
from retia.rng import stream
from retia.space import Categorical, Integer, SearchSpace

OPERATIONS = ("none", "conv", "pool")
CELL = SearchSpace({f"edge/{edge}": Categorical(OPERATIONS) for edge in ("1<-0", "2<-0", "2<-1")})
PLAIN = SearchSpace({"a": Categorical(("x", "y")), "n": Integer(0, 4)})


def spelled(*operations):
    return CELL.validate(dict(zip(CELL.parameters, operations, strict=True)))


def test_one_hot_distances_are_hamming_distances():
    some = [CELL.sample(stream(0, i)) for i in range(20)]
    features = OneHot().fit(CELL, some)(some)
    halves = 0.5 * ((features[:, None] - features[None]) ** 2).sum(-1)
    assert halves == pytest.approx(np.array([[CELL.distance(a, b) for b in some] for a in some]))


def test_paths_are_the_ways_from_input_to_output():
    learnt = [spelled("conv", "pool", "conv"), spelled("pool", "none", "conv")]
    encode = Paths().fit(CELL, learnt)
    # The short ones first: (pool), (conv, conv), (pool, conv).
    assert encode(learnt).tolist() == [[1, 1, 0], [0, 0, 1]]
    assert encode([spelled("none", "pool", "conv"), spelled("conv", "conv", "none")]).tolist() == [
        [1, 0, 0],
        [0, 0, 0],
    ]  # (conv) is not known


def test_long_paths_are_truncated():
    learnt = [spelled("conv", "pool", "conv"), spelled("pool", "none", "conv")]
    assert Paths(longest=1).fit(CELL, learnt)(learnt).tolist() == [[1], [0]]


def test_a_path_from_one_of_several_inputs_begins_with_it():
    graphs = {
        "x": LabelledGraph(("in0", "in1", "op", "out"), ((0, 2), (2, 3))),
        "y": LabelledGraph(("in0", "in1", "op", "out"), ((1, 2), (2, 3))),
    }
    space = SearchSpace({"a": Categorical(("x", "y"))})
    some = list(space.enumerate())
    encode = Paths(graph=lambda one: graphs[one["a"]]).fit(space, some)
    assert encode(some).tolist() == [[1, 0], [0, 1]]


def test_labels_are_counted_round_by_round():
    learnt = [spelled("conv", "none", "conv")]
    # Round 0: input, conv twice, output; round 1: four labels, for the two convolutions differ by their
    # neighbours. None is unknown.
    assert sorted(WeisfeilerLehman(rounds=0).fit(CELL, learnt)(learnt)[0].tolist()) == [0, 1, 1, 2]
    assert sorted(WeisfeilerLehman(rounds=1).fit(CELL, learnt)(learnt)[0].tolist()) == [
        0,
        1,
        1,
        1,
        1,
        1,
        1,
        2,
    ]


def test_what_computes_the_same_counts_the_same():
    same = [spelled("none", "conv", "pool"), spelled("pool", "conv", "none"), spelled("none", "conv", "none")]
    features = WeisfeilerLehman().fit(CELL, same)(same)
    assert (features == features[0]).all()


def test_distances_to_the_unknown_are_exact():
    every = list(CELL.enumerate())
    whole = WeisfeilerLehman().fit(CELL, every)(every)
    part = WeisfeilerLehman().fit(CELL, every[:5])(every)
    expected = ((whole[:5, None] - whole[None]) ** 2).sum(-1)
    assert ((part[:5, None] - part[None]) ** 2).sum(-1) == pytest.approx(expected)


@pytest.mark.parametrize("encoding", [Paths(), WeisfeilerLehman()])
def test_parameters_outside_of_cells_are_one_hot(encoding):
    some = list(PLAIN.enumerate())
    plain = encoding.fit(PLAIN, some)(some)
    assert plain[:, : len(PLAIN.feature_labels)] == pytest.approx(OneHot().fit(PLAIN, some)(some))
    wider = CELL.extend({"width": Integer(0, 4)})
    narrow, wide = (wider.validate({**spelled("conv", "conv", "pool"), "width": width}) for width in (0, 4))
    features = encoding.fit(wider, [narrow, wide])([narrow, wide])
    assert ((features[0] - features[1]) ** 2).sum() == pytest.approx(1.0)
