"""The header of a study, and the differences between two headers."""

import json
from typing import Any

import pytest

from retia.errors import StorageError
from retia.space import Categorical, Clause, Condition, Integer, Parameter, SearchSpace
from retia.storage import Header
from retia.testing.storage import example_header
from retia.trial import Constraint, Objective


def space_of(*parameters: Parameter) -> dict[str, Any]:
    return SearchSpace(parameters).to_json()


def test_a_header_round_trips_through_json() -> None:
    header = example_header(
        evaluator={"type": "f", "shape": (3, 5), "none": None}, baseline={"width": 3, "skips": (1, 2)}
    )
    assert Header.from_json(json.loads(json.dumps(header.to_json()))) == header
    assert header.evaluator["shape"] == [3, 5]


def test_equal_headers_do_not_differ() -> None:
    assert example_header().differences(example_header("another name")) == []


def test_a_changed_space_is_reported_by_label() -> None:
    when = Condition(((Clause("act", frozenset({"relu"})),),))
    old = space_of(
        Parameter("act", Categorical(("relu", "gelu"))),
        Parameter("width", Categorical((16, 32))),
        Parameter("gone", Integer(1, 3)),
    )
    new = space_of(
        Parameter("act", Categorical(("relu", "gelu"))),
        Parameter("width", Categorical((16, 64)), when),
        Parameter("new", Integer(1, 4)),
    )
    assert example_header(space=old).differences(example_header(space=new)) == [
        (
            "space: 'width' was categorical(values=[16, 32], default=16), is categorical(values=[16, 64], "
            "default=16)"
        ),
        "space: 'gone' is gone, was integer(low=1, high=3, step=1, log=False, default=1)",
        "space: 'new' is new: integer(low=1, high=4, step=1, log=False, default=1)",
        "space: the condition of 'width' was always, is act=relu",
    ]


def test_a_changed_order_of_parameters_is_reported() -> None:
    a, b = Parameter("a", Integer(1, 3)), Parameter("b", Integer(1, 3))
    old, new = example_header(space=space_of(a, b)), example_header(space=space_of(b, a))
    assert old.differences(new) == ["space: the order of the parameters was ['a', 'b'], is ['b', 'a']"]


def test_a_changed_restriction_is_reported() -> None:
    old, new = ({"parameters": {}, "restrictions": [text]} for text in ("a < b", "a > b"))
    assert example_header(space=old).differences(example_header(space=new)) == [
        'space: \'restrictions\' was ["a < b"], is ["a > b"]'
    ]


def test_a_changed_evaluator_is_reported_by_field() -> None:
    new = example_header(
        evaluator={"type": "Classification", "epochs": 9, "optimizer": {"lr": 0.01}, "mixed": True}
    )
    assert example_header().differences(new) == [
        "evaluator: 'epochs' was 5, is 9",
        "evaluator: 'optimizer.lr' was 0.1, is 0.01",
        "evaluator: 'mixed' is new: True",
    ]


def test_other_changes_are_reported() -> None:
    new = example_header(objectives=(Objective("loss", "minimize"),), constraints=(), seed=0, baseline=None)
    assert example_header().differences(new) == [
        "objectives: was maximize accuracy, minimize params, is minimize loss",
        "constraints: was params <= 1000000, is none",
        "seed: was 7, is 0",
        'baseline: was {"width": 1}, is none',
    ]


def test_constraints_keep_both_bounds() -> None:
    header = example_header(constraints=(Constraint("latency_ms", upper=4.0, lower=1.0),))
    assert Header.from_json(header.to_json()).constraints == (Constraint("latency_ms", upper=4.0, lower=1.0),)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_name_is_text(name: str) -> None:
    with pytest.raises(StorageError, match=r"name must be a non-empty string, got "):
        example_header(name)


def test_only_json_is_kept() -> None:
    with pytest.raises(
        StorageError,
        match=r"The evaluator of study 'example' must be JSON, got .*object.*is not JSON serializable",
    ):
        example_header(evaluator={"f": object()})


def test_an_invalid_header_is_rejected() -> None:
    with pytest.raises(StorageError, match=r"needs name, space, evaluator, objectives.*KeyError: 'space'"):
        Header.from_json({"name": "x"})
