import math
from collections import Counter
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import retia
from retia.errors import EvaluationError, StudyError
from retia.nn import ModelSpace
from retia.oneshot.paths.sampling import PathSampler
from retia.oneshot.spos import SPOS


class Sizes(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8, 16])
        self.stem = nn.Linear(2, width)
        self.body = retia.repeat(
            "body",
            lambda i: nn.Sequential(nn.Linear(width, width), retia.layer_choice("act", [nn.ReLU, nn.Tanh])),
            (0, 2),
        )
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


def taught_paths(session, items):
    paths = []
    handle = session.supernet.register_forward_pre_hook(
        lambda supernet, _: paths.append(supernet.architecture)
    )
    for item in items:
        session.train_batch(item)
    handle.remove()
    return paths


def test_a_lesson_trains_one_path_and_returns_its_loss(make_setting, items, classes):
    setting = make_setting(ModelSpace(Sizes), *classes)
    session = SPOS().session(setting)
    (item,) = items(setting, 1)
    loss = session.train_batch(item)
    grads = [None if p.grad is None else p.grad.clone() for p in setting.supernet.parameters()]
    assert loss == float(setting.loss(item.batch).detach())
    setting.supernet.zero_grad()
    setting.loss(item.batch).backward()
    for mine, expected in zip(grads, (p.grad for p in setting.supernet.parameters()), strict=True):
        assert (mine is None) == (expected is None)
        assert mine is None or torch.equal(mine, expected)


def test_values_are_drawn_uniformly_or_architectures_are(make_setting, items, classes):
    space = ModelSpace(Sizes)  # 3 widths with 1 + 2 + 4 stacks
    shares = {}
    for uniform in ("choices", "architectures"):
        setting = make_setting(space, *classes)
        paths = taught_paths(SPOS(uniform=uniform).session(setting), items(setting, 400))
        shares[uniform] = Counter(path["body"] for path in paths)
    assert [shares["choices"][depth] / 400 for depth in range(3)] == pytest.approx([1 / 3] * 3, abs=0.08)
    assert [shares["architectures"][depth] / 400 for depth in range(3)] == pytest.approx(
        [1 / 7, 2 / 7, 4 / 7], abs=0.08
    )


def test_a_lesson_is_the_same_whenever_it_is_taught(make_setting, items, classes):
    setting = make_setting(ModelSpace(Sizes), *classes)
    forwards = taught_paths(SPOS().session(setting), items(setting, 20))
    backwards = taught_paths(SPOS().session(setting), reversed(list(items(setting, 20))))
    assert forwards == backwards[::-1]
    assert len(set(forwards)) > 5


def test_restrictions_and_bounds_are_never_violated(make_setting, items, classes):
    space = ModelSpace(Sizes).where(lambda a: a["width"] > 4, "width > 4")
    setting = make_setting(space, *classes, allows=lambda a: a["body"] < 2)
    session = SPOS().session(setting)
    paths = [*taught_paths(session, items(setting, 100)), *session.ranked()]
    assert {path["width"] for path in paths} == {8, 16}
    assert {path["body"] for path in paths} == {0, 1}


@pytest.mark.parametrize("uniform", ["choices", "architectures"])
def test_each_allowed_architecture_is_ranked_once_and_then_it_ends(make_setting, classes, uniform):
    space = ModelSpace(Sizes)
    setting = make_setting(space, *classes, allows=lambda a: a["width"] != 8)
    ranked = list(SPOS(uniform=uniform).session(setting).ranked())
    assert len(ranked) == len(set(ranked)) == 14
    assert set(ranked) == {a for a in space.enumerate() if a["width"] != 8}
    assert ranked == list(SPOS(uniform=uniform).session(setting).ranked())


def test_the_only_architecture_that_a_bound_allows_is_found(make_setting, items, classes):
    def many():
        return nn.Sequential(
            *(retia.layer_choice(f"act{i}", {"no": nn.Identity, "yes": nn.Tanh}) for i in range(12)),
            nn.Linear(2, 2),
        )

    space = ModelSpace(many)
    only = {f"act{i}": "yes" for i in range(12)}
    setting = make_setting(space, *classes, allows=lambda a: a == only)  # 1 of 4096
    session = SPOS().session(setting)
    assert taught_paths(session, items(setting, 2)) == [only, only]
    assert list(session.ranked()) == [only]


def test_a_large_space_is_exhausted_by_patience(make_setting, classes):
    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.numbers = [retia.choice(f"n{i}", list(range(10))) for i in range(5)]

        def forward(self, x):
            return self.layer(x)

    setting = make_setting(
        ModelSpace(Many), *classes, allows=lambda a: a["n0"] == a["n1"] == a["n2"] == 0 and a["n3"] < 2
    )  # 20 of 100,000
    ranked = list(PathSampler(setting).unseen(np.random.default_rng(0)))
    assert 0 < len(ranked) == len(set(ranked)) <= 20


def test_real_parameters_are_sampled(make_setting, items, classes, slope):
    setting = make_setting(slope, *classes)
    session = SPOS().session(setting)
    slopes = [path["slope"] for path in taught_paths(session, items(setting, 200))]
    assert len(set(slopes)) == 200
    assert 0.1 <= min(slopes) < 0.15
    assert 0.45 < max(slopes) <= 0.5
    assert len(set(islice(session.ranked(), 50))) == 50
    assert SPOS().refuse(setting.supernet.space) is None


def test_reals_have_no_uniform_architectures(make_setting, slope):
    reason = SPOS(uniform="architectures").refuse(slope)
    assert "'slope' is a real interval" in reason
    assert "Sandwich" in reason
    assert SPOS(uniform="architectures").refuse(ModelSpace(Sizes)) is None


def test_a_bound_that_nothing_meets_is_an_error_before_training(make_setting, classes, slope):
    setting = make_setting(ModelSpace(Sizes), *classes, allows=lambda a: False)
    with pytest.raises(StudyError, match="None of the 21 architectures of Sizes met the bounds"):
        SPOS().session(setting)
    setting = make_setting(slope, *classes, allows=lambda a: a["slope"] > math.inf)
    with pytest.raises(StudyError, match="None of 10,000 sampled architectures of _Slope met the bounds"):
        SPOS().session(setting)


def test_uniform_is_one_of_two():
    with pytest.raises(
        EvaluationError, match="'uniform' of SPOS must be 'choices' or 'architectures', got 'paths'"
    ):
        SPOS(uniform="paths")


def test_a_ranking_that_is_read_ends_with_the_training_that_it_began_with():
    method = SPOS()
    method._result.set(SimpleNamespace(ranked=lambda: iter("abcd")))
    reading = method.ranked()
    assert [next(reading), next(reading)] == ["a", "b"]
    method._result.set(SimpleNamespace(ranked=lambda: iter("WXYZ")))
    assert list(reading) == ["c", "d"]
    assert list(method.ranked()) == list("WXYZ")
