import pickle

import pytest
import torch

from retia.cost import Example
from retia.errors import EvaluationError


def test_a_shape_is_one_sample():
    example = Example.of((3, 8, 8))
    (x,), named = example.on("cpu", batch=2)
    assert x.shape == (2, 3, 8, 8)
    assert x.dtype == torch.float32
    assert not x.any()
    assert named == {}


def test_a_shape_with_a_dtype():
    (tokens,), _ = Example.of([16], dtype=torch.long).on("meta", batch=1)
    assert (tokens.shape, tokens.dtype, tokens.device.type) == ((1, 16), torch.long, "meta")


def test_tensors_give_shapes_and_dtypes_alone():
    big = torch.zeros(1000, 100)
    example = Example.of(big)
    assert str(example) == "(100,)"
    assert len(pickle.dumps(example)) < 600
    assert pickle.loads(pickle.dumps(example)) == example
    assert hash(example) == hash(Example.of((100,)))


def test_tensors_in_a_row_and_by_name():
    tensors = {"tokens": torch.zeros(2, 5, dtype=torch.long), "mask": torch.zeros(2, 5, dtype=torch.bool)}
    args, kwargs = Example.of(tuple(tensors.values())).on("cpu", batch=3)
    assert [(tuple(x.shape), x.dtype) for x in args] == [((3, 5), torch.long), ((3, 5), torch.bool)]
    assert kwargs == {}
    example = Example.of(tensors)
    args, kwargs = example.on("cpu", batch=3)
    assert args == ()
    assert list(kwargs) == ["tokens", "mask"]
    assert str(example) == "tokens: (5,), mask: (5,)"


def test_an_example_stays_itself():
    example = Example.of((3,))
    assert Example.of(example) is example


@pytest.mark.parametrize("wrong", [(), (3, -1), (0,), "32", torch.zeros(()), {"x": 3}, {}])
def test_what_is_no_input(wrong):
    with pytest.raises(EvaluationError, match=r"An input is a shape without the batch dimension.*got"):
        Example.of(wrong)


def test_what_can_not_be_cut_to_one_sample_is_given_whole():
    graph = {"x": torch.ones(5, 3), "edges": torch.ones(2, 7, dtype=torch.long)}
    _, named = Example.whole(graph).on("cpu", batch=1)
    assert [(tuple(tensor.shape), bool(tensor.any())) for tensor in named.values()] == [
        ((5, 3), False),
        ((2, 7), False),
    ]
    assert str(Example.whole(graph)) == "x: (5, 3), edges: (2, 7)"


def test_nested_inputs_keep_their_shape():
    args, named = Example.of(((torch.ones(4, 2), [torch.ones(4, 3)]), "text")).on("meta", batch=2)
    assert tuple(args[0][0].shape) == (2, 2)
    assert tuple(args[0][1][0].shape) == (2, 3)
    assert (args[1], named) == ("text", {})
