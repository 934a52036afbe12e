"""The graphs of NAS-Bench-101: pruning, and the authors' hash."""

import gzip
import itertools
import json

import numpy as np
import pytest

from retia.benchmark.module_graph import INPUT, OPERATIONS, OUTPUT, Module, module_hash, prune
from retia.errors import ArchitectureError

CONV3, CONV1, POOL = OPERATIONS


def module(edges, *operations):
    """A module of the operations between input and output, and edges such as "01 12"."""
    size = len(operations) + 2
    matrix = np.zeros((size, size), int)
    for source, target in edges.split():
        matrix[int(source), int(target)] = 1
    return Module(tuple(map(tuple, matrix.tolist())), (INPUT, *operations, OUTPUT))


def test_the_genuine_hashes(real):
    entries = json.loads(gzip.decompress(real("nasbench101_naslib30", "nb101_30.json.gz").read_bytes()))
    assert len(entries) == 30
    for entry in entries:
        one = Module(tuple(map(tuple, entry["matrix"])), tuple(entry["ops"]))
        assert module_hash(prune(one)) == entry["hash"]


def permuted(one, order):
    """The module with its inner vertices renumbered: vertex i becomes order[i - 1]; None if an edge then goes
    backwards.
    """
    size = len(one.operations)
    place = {0: 0, size - 1: size - 1, **{i: order[i - 1] for i in range(1, size - 1)}}
    matrix, operations = [[0] * size for _ in range(size)], [""] * size
    for i in range(size):
        operations[place[i]] = one.operations[i]
        for j in range(size):
            if one.matrix[i][j]:
                if place[i] >= place[j]:
                    return None
                matrix[place[i]][place[j]] = 1
    return Module(tuple(map(tuple, matrix)), tuple(operations))


def test_isomorphic_modules_share_a_hash():
    one = module("01 02 13 24 35 34 45 05", CONV3, CONV1, POOL, CONV1)
    others = [
        found for order in itertools.permutations(range(1, 5)) if (found := permuted(one, order)) is not None
    ]
    assert len(set(others)) == 3
    assert {module_hash(other) for other in others} == {module_hash(one)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            module("01 12 23 34", CONV1, CONV3, CONV3),
            module("01 12 23 34", CONV3, CONV3, CONV1),
        ),  # in which order
        (module("01 03 12 23", CONV1, CONV3), module("01 03 12 23", CONV3, CONV1)),  # which way
        (module("01 12", CONV1), module("01 12", POOL)),
        (module("01 12", CONV1), module("01 12 02", CONV1)),
        (
            module("01 02 03 04 12 26 35 45 56", CONV1, CONV3, CONV3, CONV3, CONV3),
            module("01 02 03 04 12 26 35 45 56", CONV3, CONV3, CONV3, CONV1, CONV3),
        ),
    ],
)
def test_other_modules_have_other_hashes(one, other):
    assert module_hash(one) != module_hash(other)


def test_what_is_on_no_path_is_pruned():
    drawn = module("01 12 24 03 35 46 16", CONV3, CONV1, POOL, CONV3, CONV1)  # 3 and 5 lead nowhere
    assert prune(drawn) == module("01 12 23 34 14", CONV3, CONV1, CONV3)
    unreached = module("01 16 26 34 46", CONV3, CONV1, POOL, CONV3, CONV1)
    assert prune(unreached) == module("01 12", CONV3)


def test_a_module_without_superfluous_vertices_stays():
    whole = module("01 12 02", CONV3)
    assert prune(whole) is whole


def test_a_module_without_a_path_is_none():
    assert prune(module("01", CONV3)) is None
    assert prune(module("12", CONV3)) is None


@pytest.mark.parametrize(
    ("matrix", "operations", "message"),
    [
        (((0, 1), (1, 0)), (INPUT, OUTPUT), "upper triangular 2 x 2 matrix of 0 and 1"),
        (((0, 2), (0, 0)), (INPUT, OUTPUT), "upper triangular"),
        (((0, 1, 0), (0, 0)), (INPUT, OUTPUT), "upper triangular"),
        (((0, 1), (0, 0)), (INPUT, CONV3, OUTPUT), "upper triangular 3 x 3"),
        (((0, 1), (0, 0)), (OUTPUT, INPUT), "must be 'input', some of"),
        (((0,),), (INPUT,), "must be 'input', some of"),
        (
            ((0, 1, 0), (0, 0, 1), (0, 0, 0)),
            (INPUT, "conv7x7", OUTPUT),
            "must be 'input', some of .* got .*conv7x7",
        ),
    ],
)
def test_what_is_no_module_is_said(matrix, operations, message):
    with pytest.raises(ArchitectureError, match=message):
        Module(matrix, operations)
