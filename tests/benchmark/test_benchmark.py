"""A benchmark is a space, and an evaluator that a search takes as any other."""

import pickle

import numpy as np
import pytest

import retia
from retia.benchmark import ColumnRecords, Entry, TableEvaluator
from retia.benchmark.front import front_rows
from retia.errors import ArchitectureError, EvaluationError
from retia.study import Study
from retia.trial import Run, nondominated


def test_a_query_returns_the_row(tiny):
    assert tiny.query({"a": "y", "b": "z"}) == {
        "valid_accuracy": 60,
        "test_accuracy": 30,
        "train_seconds": 600,
        "params": 6,
    }
    assert tiny.query({"a": "y", "b": "z"}, 3) == {"valid_accuracy": 6, "train_seconds": 100, "params": 6}


def test_what_is_not_known_is_left_out_of_a_row_and_nan_in_a_column(tiny):
    assert tiny[8].metrics == {"train_seconds": 900, "params": 9}
    assert np.isnan(tiny.column("valid_accuracy")).tolist() == [False] * 8 + [True]


def test_the_index_and_its_inverse(tiny):
    assert [tiny.index.row(entry.architecture) for entry in tiny.entries()] == list(range(9))
    assert [tuple(entry.architecture.values()) for entry in tiny.entries()][:4] == [
        ("x", "x"),
        ("x", "y"),
        ("x", "z"),
        ("y", "x"),
    ]


def test_the_best_row_by_any_metric(tiny):
    assert tiny.best() == Entry({"a": "z", "b": "y"}, tiny.query({"a": "z", "b": "y"}))
    assert tiny.optimum() == 80
    assert tiny.best("test_accuracy").architecture == {"a": "x", "b": "x"}
    assert tiny.optimum("params", minimize=True) == 1


def test_the_front_by_hand(tiny):
    """The validation accuracy and the parameters both grow with the row, so all rows but the last, which has
    no accuracy, are on the front.
    """
    assert [
        tiny.index.row(entry.architecture)
        for entry in tiny.front(maximize="valid_accuracy", minimize="params")
    ] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert tiny.front(maximize=["valid_accuracy", "params"]) == [tiny[7]]
    with pytest.raises(EvaluationError, match="got 'top5'"):
        tiny.front(maximize="top5")


def test_fronts_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 12, (300, 3)).astype(float)
    assert sorted(front_rows(losses).tolist()) == nondominated(losses.tolist())


def test_the_description_is_json_and_names_no_file(tiny):
    assert tiny.describe() == {
        "benchmark": "tiny",
        "dataset": "none",
        "epochs": 9,
        "architectures": 9,
        "fidelities": [3, 9],
        "metrics": ["valid_accuracy", "test_accuracy", "train_seconds", "params"],
        "objective": "valid_accuracy",
        "optimum": 80.0,
        "reference": "nobody",
    }
    assert tiny.evaluator.capabilities().settings() == {
        "type": "TableEvaluator",
        "benchmark": "tiny",
        "dataset": "none",
        "epochs": 9,
    }
    assert repr(tiny) == "<Benchmark 'tiny', dataset='none', epochs=9: 9 architectures>"


def test_the_evaluator_trains_as_long_as_the_fidelity_says(tiny):
    architecture = tiny[2].architecture
    assert tiny.evaluator(architecture, Run(tiny.space))["valid_accuracy"] == 30
    assert tiny.evaluator(architecture, Run(tiny.space, fidelity=9.0))["valid_accuracy"] == 30
    assert tiny.evaluator(architecture, Run(tiny.space, fidelity=3.0))["valid_accuracy"] == 3


def test_the_evaluator_survives_a_pickle(tiny):
    tiny.query(tiny[0].architecture)
    again = pickle.loads(pickle.dumps(tiny.evaluator))
    assert isinstance(again, TableEvaluator)
    assert again(tiny[4].architecture, Run(tiny.space)) == tiny.query(tiny[4].architecture)


def test_a_search_runs_on_a_benchmark_as_on_anything_else(tiny):
    space = tiny.space.where(lambda one: dict(one) != {"a": "z", "b": "z"}, "known")
    study = retia.search(
        space,
        tiny.evaluator,
        retia.strategy.GridSearch(),
        trials=8,
        maximize="valid_accuracy",
        progress=False,
    )
    assert study.best.architecture == tiny.best().architecture
    assert study.best.metrics["valid_accuracy"] == tiny.optimum()


def test_a_bound_on_a_cost_is_checked_before_training(tiny):
    study = Study(tiny.space, tiny.evaluator, maximize="valid_accuracy", constraints=["params <= 4"])
    study.run(retia.strategy.GridSearch(), trials=20)
    assert study.best.metrics["params"] == 4
    assert study.history.count("completed") == 4
    assert study.history.count("infeasible") == 5


def test_an_objective_that_the_table_has_not_is_found_before_the_search(tiny):
    with pytest.raises(retia.StudyError, match="asks for a metric that nothing supplies"):
        Study(tiny.space, tiny.evaluator, maximize="top5")


def test_further_costs_can_be_joined(tiny):
    joined = tiny.join({"chip_latency_ms": np.array([*range(8), np.nan])})
    assert joined.query(tiny[3].architecture) == {**tiny[3].metrics, "chip_latency_ms": 3}
    assert joined.costs == ("params", "chip_latency_ms")
    assert joined.fidelities == tiny.fidelities
    assert "chip_latency_ms" in joined.metrics
    assert "chip_latency_ms" not in joined[8].metrics
    assert joined.best("chip_latency_ms", minimize=True).architecture == tiny[0].architecture
    assert joined.column("params").tolist() == list(range(1, 10))
    assert pickle.loads(pickle.dumps(joined)).query(tiny[3].architecture)["chip_latency_ms"] == 3
    assert joined.evaluator.capabilities().costs(tiny[3].architecture, Run(tiny.space)) == {
        "params": 4,
        "chip_latency_ms": 3,
    }


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (
            lambda b: b.query({"a": "x", "b": "w"}),
            ArchitectureError,
            r"'b' takes one of \['x', 'y', 'z'\], got 'w'",
        ),
        (lambda b: b.query({"a": "x"}), ArchitectureError, "'b' takes one of .* got nothing"),
        (lambda b: b.query({"a": ["x"], "b": "x"}), ArchitectureError, r"'a' takes one of .* got \['x'\]"),
        (
            lambda b: b.query({"a": "x", "b": "x", "c": "x"}),
            ArchitectureError,
            r"has the labels \['a', 'b'\], got .*'c': 'x'",
        ),
        (lambda b: b.query({"a": "x", "b": "x"}, "9"), EvaluationError, "results after 3, 9 epochs, got '9'"),
        (lambda b: b.query({"a": "x", "b": "x"}, 5), EvaluationError, "results after 3, 9 epochs, got 5"),
        (
            lambda b: b.query({"a": "z", "b": "z"}),
            EvaluationError,
            "'tiny' has no 'valid_accuracy' of .* after 9 epochs",
        ),
        (lambda b: b.column("valid_loss"), EvaluationError, "has the metrics .* got 'valid_loss'"),
        (lambda b: b.column("test_accuracy", 3), EvaluationError, "has the metrics .* got 'test_accuracy'"),
        (lambda b: b.join({"params": np.ones(9)}), EvaluationError, "has a metric 'params' already"),
        (
            lambda b: b.join({"latency_ms": np.ones(8)}),
            EvaluationError,
            r"one number for each of the 9 rows .* got the shape \(8,\)",
        ),
        (
            lambda b: b.with_latency("pixel3"),
            EvaluationError,
            "Tables of latencies exist only for the cells of NAS-Bench-201",
        ),
        (
            lambda b: type(b)("other", b.space, b.index, b.records, 4),
            EvaluationError,
            "results after 3, 9 epochs, got 4",
        ),
        (
            lambda b: type(b)("other", b.space, b.index, ColumnRecords({9: {}}, b.records.fixed), 9),
            EvaluationError,
            r"'other' needs a metric that requires training after 9 epochs, got \['params'\]",
        ),
    ],
)
def test_errors_say_what_there_is(tiny, action, error, message):
    with pytest.raises(error, match=message):
        action(tiny)


def test_a_table_of_some_architectures_says_so(tiny):
    part = type(tiny.index)(tiny.index.labels, tiny.index.values, tiny.index.choices[:5])
    assert part.rows(tiny.index.choices).tolist() == [0, 1, 2, 3, 4, -1, -1, -1, -1]
    with pytest.raises(ArchitectureError, match="contains 5 of the 9 architectures, but not"):
        part.row(tiny[7].architecture)
