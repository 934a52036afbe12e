import pytest

from retia.errors import EvaluationError
from retia.evaluate.settings import is_domain, require_settings
from retia.space import Categorical, Integer, Real, Subset


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 1, "batch_size": 1, "patience": None, "clip_norm": None, "warmup_epochs": 0},
        {"lr": 1e-9, "weight_decay": 0, "momentum": 0.0, "label_smoothing": 0.5},
        {"optimizer": "sgd", "schedule": lambda optimizer, steps: None, "precision": "auto"},
        {
            "lr": Real(1e-4, 1e-1, log=True),
            "batch_size": Categorical((32, 64)),
            "epochs": Integer(1, 5),
            "optimizer": Categorical(("adamw", "sgd")),
        },
        {"clip_norm": Categorical((None, 1.0)), "something else": object()},
    ],
)
def test_what_can_be(settings):
    require_settings("Classification", settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, r"'epochs' of Classification must be a whole number of at least 1, got 0\."),
        ({"epochs": 2.5}, r"a whole number of at least 1, got 2.5"),
        ({"epochs": True}, r"a whole number of at least 1, got True"),
        (
            {"batch_size": "64"},
            r"'batch_size' of Classification must be a whole number of at least 1, got '64'",
        ),
        ({"batch_size": None}, r"got None"),
        ({"patience": 0}, r"'patience'.*at least 1, got 0"),
        ({"warmup_epochs": -1}, r"'warmup_epochs'.*at least 0, got -1"),
        ({"lr": 0.0}, r"'lr' of Classification must be a positive number, got 0.0"),
        ({"lr": float("nan")}, r"'lr' of Classification must be a positive number, got nan"),
        ({"clip_norm": 0}, r"'clip_norm' of Classification must be a positive number, got 0"),
        ({"weight_decay": -1e-4}, r"'weight_decay' of Classification must be a number of at least 0"),
        ({"momentum": 1.0}, r"'momentum' of Classification must be a number from 0 to below 1, got 1.0"),
        ({"label_smoothing": 1.5}, r"'label_smoothing'.*from 0 to below 1, got 1.5"),
        (
            {"optimizer": "adam"},
            r"'optimizer' of Classification must be one of 'adamw', 'sgd' or a function \(parameters, lr\) -> Optimizer, got 'adam'",
        ),
        (
            {"schedule": "linear"},
            r"'schedule' of Classification must be one of 'cosine', 'constant' or a function \(optimizer, steps\) -> LRScheduler, got 'linear'",
        ),
        (
            {"precision": "half"},
            r"'precision' of Classification must be one of 'auto', 'float32', 'bfloat16', 'float16', got 'half'",
        ),
        ({"precision": print}, r"got <built-in function print>"),
        (
            {"lr": Real(0.0, 1.0)},
            r"'lr' of Classification must be a positive number, got 0.0 from the domain \[0",
        ),
        ({"label_smoothing": Real(0.0, 1.0)}, r"got 1.0 from the domain"),
        ({"batch_size": Categorical((64, 0))}, r"got 0 from the domain \{64, 0\}"),
        ({"optimizer": Categorical(("sgd", "lion"))}, r"got 'lion' from the domain \{sgd, lion\}"),
        ({"epochs": Real(1.0, 5.0)}, r"a whole number of at least 1, got 1.0 from the domain"),
        ({"lr": Subset(("a", "b"))}, r"'lr' of Classification must be a positive number, got Subset"),
    ],
)
def test_what_can_not_be(settings, said):
    with pytest.raises(EvaluationError, match=said):
        require_settings("Classification", settings)


def test_domains():
    assert is_domain(Real(0, 1))
    assert not is_domain(0.5)
