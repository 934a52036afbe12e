import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from retia.nn import ModelSpace
from retia.space import choice
from retia.supernet import Supernet
from retia.supernet.check import compare_structure
from retia.supernet.check.architectures import architectures_to_try
from retia.supernet.check.shape_cache import ShapeCache


class Counting(TorchFunctionMode):
    """Counts the calls of a function that reach torch."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.calls = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls += func is self.function
        return func(*args, **(kwargs or {}))


def on_meta(*shape, dtype=torch.float32):
    return torch.empty(*shape, device="meta", dtype=dtype)


def norm(x, *, training=False, channels=3):
    return functional.batch_norm(x, on_meta(channels), on_meta(channels), training=training)


def test_a_function_is_asked_once_for_each_shape_layout_and_type():
    inputs = [
        on_meta(2, 3, 4, 5),
        on_meta(2, 3, 5, 4),
        on_meta(2, 3, 4, 5).to(memory_format=torch.channels_last),
        on_meta(2, 3, 4, 5, dtype=torch.float64),
    ]
    with Counting(functional.relu) as counting, ShapeCache():
        for _ in range(3):
            for x in inputs:
                returned = functional.relu(x)
                assert (returned.shape, returned.stride(), returned.dtype, returned.device) == (
                    x.shape,
                    x.stride(),
                    x.dtype,
                    x.device,
                )
                assert returned is not x
    assert counting.calls == 4


def test_batch_norm_is_asked_again_for_another_mode():
    x = on_meta(1, 3, 1, 1)
    with ShapeCache():
        assert norm(x).shape == (1, 3, 1, 1)
        with pytest.raises(ValueError, match="more than 1 value per channel when training"):
            norm(x, training=True)


def test_errors_are_raised_every_time():
    with ShapeCache():
        norm(on_meta(2, 3, 4, 4))
        for _ in range(2):
            with pytest.raises(RuntimeError, match="running_mean"):
                norm(on_meta(2, 4, 4, 4))


def test_what_has_values_or_is_changed_is_computed():
    x = torch.tensor([-1.0, 2.0])
    inside = on_meta(2)
    with Counting(functional.relu) as counting, ShapeCache():
        assert functional.relu(x).tolist() == [0, 2]
        assert functional.relu(-x).tolist() == [1, 0]
        assert functional.relu(inside, inplace=True) is inside
        assert functional.relu(inside, inplace=True) is inside
    assert counting.calls == 4


class Net(nn.Sequential):
    def __init__(self):
        width = choice("width", [4, 8])
        super().__init__(
            nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 2, 1)
        )


def test_the_check_asks_torch_once_for_equal_calls():
    with Counting(functional.batch_norm) as counting:
        compare_structure(ModelSpace(Net), torch.zeros(2, 3, 6, 6))
    assert counting.calls == 2  # one for each width, though each is run in the supernet and alone


def test_the_check_builds_and_runs_the_first_architecture_once(monkeypatch):
    space = ModelSpace(Net)
    built, run = [], []
    build, forward = space.build, Net.forward
    monkeypatch.setattr(
        space,
        "build",
        lambda architecture, **rest: built.append(architecture["width"]) or build(architecture, **rest),
    )
    monkeypatch.setattr(Net, "forward", lambda self, x: run.append(self) or forward(self, x))
    compare_structure(space, torch.zeros(2, 3, 6, 6))
    # Both alone; and another one after the last, for what the constructor leaves outside of the model.
    assert built == [4, 8, 4]
    assert len(run) == 4


@pytest.mark.parametrize(
    ("example", "beyond"),
    [(None, 2), (torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0)), 7)],
)
def test_how_often_a_supernet_runs_the_constructor(example, beyond):
    runs = []

    def make():
        runs.append(1)
        return nn.Sequential(
            *(nn.Conv2d(3, 3, 3, padding=choice(f"padding{i}", [0, 1, 2])) for i in range(4))
        )

    space = ModelSpace(make)
    runs.clear()
    Supernet(space, example=example, seed=0)
    # Each architecture that is tried once, and the supernet twice; with numbers another one, three subnets,
    # and another one again.
    assert len(runs) == len(list(architectures_to_try(space))) + beyond
