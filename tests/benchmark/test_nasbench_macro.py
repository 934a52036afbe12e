"""NAS-Bench-Macro, in a table of nine networks."""

import itertools
import json

import pytest

from retia.benchmark import nasbench_macro
from retia.errors import EvaluationError


@pytest.fixture
def path(tmp_path):
    table = {
        "".join(digits): {
            "test_acc": [90.0 + i, 92.0 + i],
            "mean_acc": 91.0 + i,
            "std": 1.0,
            "params": 100 * (i + 1),
            "flops": 1000 - i,
        }
        for i, digits in enumerate(itertools.product("012", repeat=2))
    }
    (tmp_path / "table.json").write_text(json.dumps(table))
    return tmp_path / "table.json"


def test_a_table_is_read(path):
    table = nasbench_macro(path=path)
    assert len(table) == 9
    assert table.space.size() == 9
    assert table.objective == "test_accuracy"
    assert table.query({"layer/0": "mb3_k3", "layer/1": "mb6_k5"}) == {
        "test_accuracy": 96,
        "params": 600,
        "macs": 995,
        "flops": 1990,
    }
    assert table.best().architecture == {"layer/0": "mb6_k5", "layer/1": "mb6_k5"}
    assert table.space.default() == {"layer/0": "identity", "layer/1": "identity"}


def test_blocks_have_names_of_ones_own(path):
    table = nasbench_macro(path=path, blocks=("a", "b", "c"), epochs=7)
    assert table.query({"layer/0": "c", "layer/1": "a"}, 7)["test_accuracy"] == 97


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be a JSON object with the results of each architecture, got list"),
        ({}, "must be a JSON object"),
        ({"00": {"test_acc": [1]}, "000": {"test_acc": [1]}}, "must be 2 digits from 0 to 2, got '000'"),
        ({"03": {"test_acc": [1]}}, "must be 2 digits from 0 to 2, got '03'"),
        ({"00": {"mean_acc": 1}}, "needs a list of accuracies as 'test_acc'"),
        ({"00": 1}, "needs a list of accuracies as 'test_acc', got 1"),
    ],
)
def test_what_is_no_table_is_said(tmp_path, content, message):
    (tmp_path / "table.json").write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match=message):
        nasbench_macro(path=tmp_path / "table.json")


def test_costs_are_left_out_where_they_are_not_known(tmp_path):
    (tmp_path / "table.json").write_text(
        json.dumps({"0": {"test_acc": [1], "params": 5}, "1": {"test_acc": [2]}})
    )
    assert nasbench_macro(path=tmp_path / "table.json").metrics == ("test_accuracy",)
