"""Settings as JSON."""

import json
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from retia.space import Real
from retia.trial import as_json, fields_as_json, function_as_json


@dataclass
class Recipe:
    epochs: int
    lr: object = 0.1


def test_settings_are_json():
    settings = {
        "a": Real(0, 1),
        "b": {"f": len, "e": None},
        "c": partial(nn.functional.cross_entropy, label_smoothing=0.1),
        "d": (Recipe(3), nn.ReLU, nn.MSELoss()),
    }
    assert json.loads(json.dumps(as_json(settings))) == {
        "a": Real(0, 1).to_json(),
        "b": {"e": None, "f": "builtins.len"},
        "c": {"function": "torch.nn.functional.cross_entropy", "args": [{"label_smoothing": 0.1}]},
        "d": [
            {"type": f"{Recipe.__module__}.Recipe", "epochs": 3, "lr": 0.1},
            "torch.nn.modules.activation.ReLU",
            "torch.nn.modules.loss.MSELoss",
        ],
    }


@pytest.mark.parametrize("made", [torch.tensor, np.array], ids=["torch", "numpy"])
def test_arrays_are_told_apart_by_their_numbers(made):
    one, same, other = (as_json(made(values)) for values in ([1.0, 2.0], [1.0, 2.0], [1.0, 5.0]))
    assert one == same
    assert one != other
    assert one["shape"] == [2]


def test_an_object_is_described_by_its_type():
    assert as_json(object()) == {"type": "builtins.object"}
    assert fields_as_json(object()) == {"type": "builtins.object"}


def test_a_function_is_described_by_its_source():
    assert function_as_json(len) == {"function": "builtins.len"}
    assert function_as_json(test_settings_are_json)["source"] != function_as_json(Recipe)["source"]
