"""A trial as a row."""

import json
import math

import numpy as np
import pytest

from retia.errors import StorageError
from retia.space import Architecture
from retia.storage.rows import COLUMNS, row_of, trial_of
from retia.testing.storage import example_trial
from retia.trial import Limits, Objective, Trial


def there_and_back(trial: Trial) -> Trial:
    row = row_of(trial)
    return trial_of([row[name] for name in COLUMNS], "study 's' in s.db")


def test_a_row_is_strict_json() -> None:
    row = row_of(
        example_trial(3).end(
            "failed", at=1.0, error="boom", metrics={"loss": float("nan")}, progress=({"a": float("-inf")},)
        )
    )
    assert json.loads(row["metrics"]) == {"loss": "nan"}
    assert json.loads(row["progress"]) == [{"a": "-inf"}]
    assert json.loads(row["architecture"]) == {
        "width": 3,
        "act": "é",
        "lr": 0.1,
        "skips": [1, 3],
        "bias": True,
        "extra": None,
    }
    assert row["key"] == example_trial(3).architecture.key


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    trial = example_trial(0).end(
        "completed", at=1.0, metrics={"a": np.float32(0.5), "b": np.int64(3), "c": np.float64(0.1)}
    )
    assert there_and_back(trial).metrics == {"a": 0.5, "b": 3.0, "c": 0.1}


def test_nested_tuples_come_back() -> None:
    trial = Trial(0, Architecture({"a": ((1, 2), (3,)), "b": "[no list]"}))
    assert there_and_back(trial) == trial


def test_limits_survive_a_round_trip_also_if_not_finite() -> None:
    limits = Limits(
        Objective("loss", "minimize"), ((np.int64(1), np.float64(0.5)), (2.0, math.inf)), best=math.inf
    )  # type: ignore[arg-type]
    assert json.loads(row_of(Trial(0, Architecture({"a": 1}), limits=limits))["limits"])["best"] == "inf"
    assert there_and_back(Trial(0, Architecture({"a": 1}), limits=limits)).limits == limits


def test_an_odd_error_is_stored_readably() -> None:
    trial = example_trial(0).end("failed", at=1.0, error="bad \0 and \udc80 in a path")
    assert there_and_back(trial).error == "bad \\x00 and \\udc80 in a path"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("state", "paused", "KeyError: 'paused'"),
        ("metrics", "{", "JSONDecodeError"),
        ("metrics", '{"a": "high"}', "ValueError: could not convert"),
        ("architecture", "3", "TypeError"),
        ("state", "failed", "StudyError: Trial 0 can't have failed without an error"),
    ],
)
def test_an_invalid_row_is_rejected(column: str, value: str, reason: str) -> None:
    row = {**row_of(example_trial(0)), column: value}
    with pytest.raises(StorageError, match=f"Trial 0 of study 's' in s.db can't be read \\({reason}"):
        trial_of([row[name] for name in COLUMNS], "study 's' in s.db")
