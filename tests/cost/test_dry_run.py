import warnings

import pytest
import torch
from torch import nn

import retia
from retia.cost import Example, dry_run
from retia.errors import ArchitectureError, EvaluationError, InfeasibleArchitecture, SpaceError
from retia.nn import ModelSpace
from retia.space import Categorical, SearchSpace


class Body(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.conv = nn.Conv2d(width, out, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


class Net(nn.Module):
    """Fits only where both choices agree."""

    def __init__(self):
        super().__init__()
        first, second = retia.choice("first", [4, 8]), retia.choice("second", [4, 8])
        self.stem = nn.Conv2d(1, first, 3)
        self.body = nn.Sequential(nn.ReLU(), Body(second, 8))

    def forward(self, x):
        return self.body(self.stem(x)).mean((2, 3))


@pytest.fixture
def space():
    return ModelSpace(Net)


def test_parts_that_fit(space):
    dry_run(space, {"first": 8, "second": 8}, Example.of((1, 8, 8)))


def test_parts_that_do_not_fit_are_named(space):
    said = (
        r"(?s)The architecture \{'first': 4, 'second': 8\} builds, but can't run on an input of shape \(1, 8, 8\) \(batch of 2\): "
        r"'body.1.conv' \(Conv2d\), on \(2, 4, 6, 6\), fails with RuntimeError: .*expected input.*"
        r"Make the sizes on both sides follow the same choice, or exclude the combination with space.where"
    )
    with pytest.raises(InfeasibleArchitecture, match=said):
        dry_run(space, {"first": 4, "second": 8}, Example.of((1, 8, 8)))


def test_without_an_input_it_only_builds(space):
    dry_run(space, {"first": 4, "second": 8})


def test_the_model_itself_is_named():
    class Alone(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(retia.choice("width", [4, 8]), 2))

        def forward(self, x):
            return x @ self.weight

    space = ModelSpace(Alone)
    dry_run(space, {"width": 4}, Example.of((4,)))
    with pytest.raises(InfeasibleArchitecture, match=r"'the model itself' \(Alone\), on \(2, 4\), fails"):
        dry_run(space, {"width": 8}, Example.of((4,)))


def test_inputs_by_name_that_the_model_does_not_take(space):
    with pytest.raises(SpaceError, match=r"'the model itself' \(Net\).*unexpected keyword argument 'tokens'"):
        dry_run(space, space.default(), Example.of({"tokens": torch.zeros(1, 3)}))


def test_a_model_that_reads_values_is_judged_on_the_cpu():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            size = int(torch.ones(3).sum().item())
            self.layer = nn.Linear(size, retia.choice("width", [4, 8]))

        def forward(self, x):
            return self.layer(x) if x.sum().item() == 0 else x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        space = ModelSpace(Reads)
    dry_run(space, space.default(), Example.of((3,)))
    with pytest.raises(InfeasibleArchitecture, match=r"'layer' \(Linear\), on \(2, 5\)"):
        dry_run(space, space.default(), Example.of((5,)))


def test_a_model_that_trains_differently_is_run_as_it_trains():
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            width = retia.choice("width", [4, 8])
            self.body, self.head = nn.Linear(2, width), nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.body(x)) if self.training else self.body(x)

    with pytest.raises(InfeasibleArchitecture, match=r"'head' \(Linear\), on \(2, 8\)"):
        dry_run(ModelSpace(Auxiliary), {"width": 8}, Example.of((2,)))


def test_random_draws_leave_the_global_generator_alone():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, retia.choice("width", [4, 8]))

        def forward(self, x):
            return self.layer(x + torch.rand(x.shape) if torch.rand(()).item() < 2 else x)

    before = torch.get_rng_state()
    dry_run(ModelSpace(Noisy), {"width": 4}, Example.of((2,)))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_architecture_of_another_space(space):
    with pytest.raises(ArchitectureError, match="first"):
        dry_run(space, {"first": 5, "second": 4}, Example.of((1, 8, 8)))


def test_a_space_without_models():
    with pytest.raises(EvaluationError, match=r"the space \(SearchSpace\) does not build models"):
        dry_run(SearchSpace({"width": Categorical((4, 8))}), {"width": 4})


def test_a_constructor_that_fails():
    class Fails(nn.Linear):
        def __init__(self):
            width = retia.choice("width", [4, 6, 8])
            if int(width) == 6:
                raise ValueError("six is bad")
            super().__init__(2, width)

    with pytest.raises(SpaceError, match="six is bad"):
        dry_run(ModelSpace(Fails), {"width": 6}, Example.of((2,)))


# --- what does not fit is infeasible; what the model's own code raises is a mistake in it


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.width = retia.choice("width", [4, 6, 8])
        if int(self.width) == 6:
            raise RuntimeError("six is bad")
        self.layer = nn.Linear(2, self.width)

    def forward(self, x):
        if self.width == 4:
            raise RuntimeError("four is bad")
        return self.layer(x)


def test_a_check_of_torchs_own_layers_is_a_misfit():
    space = ModelSpace(lambda: nn.Sequential(nn.Conv2d(6, 12, 3, groups=retia.choice("groups", [2, 4, 6]))))
    dry_run(space, {"groups": 2})
    with pytest.raises(
        InfeasibleArchitecture,
        match=r"fails for \{'groups': 4\}: ValueError: in_channels must be divisible by groups",
    ):
        dry_run(space, {"groups": 4})


def test_the_models_own_error_is_not_a_misfit():
    space = ModelSpace(Raises)
    for width, says in ((6, "six is bad"), (4, "four is bad")):
        with pytest.raises(SpaceError, match=says):
            dry_run(space, {"width": width}, Example.of((2,)))
    dry_run(space, {"width": 8}, Example.of((2,)))


def test_an_operator_in_the_models_own_line_is_a_misfit():
    class Adds(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = (
                nn.Linear(2, retia.choice("one", [4, 8])),
                nn.Linear(2, retia.choice("two", [4, 8])),
            )

        def forward(self, x):
            return self.one(x) + self.two(x)

    space = ModelSpace(Adds)
    with pytest.raises(InfeasibleArchitecture, match="must match the size"):
        dry_run(space, {"one": 4, "two": 8}, Example.of((2,)))


def test_an_error_of_ours_in_forward_passes_unchanged():
    class Late(nn.Linear):
        def forward(self, x):
            return super().forward(x) * retia.choice("late", [1, 2])

    space = ModelSpace(lambda: Late(4, retia.choice("outputs", [2, 3])))
    with pytest.raises(
        SpaceError,
        match=r"^The choice 'late' is declared while the model is called, at .*test_dry_run.py:\d+, in .*forward",
    ) as caught:
        dry_run(space, space.default(), Example.of((4,)))
    assert "Make the sizes" not in str(caught.value)
