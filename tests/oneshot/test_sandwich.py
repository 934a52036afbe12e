import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, l1_loss, log_softmax, mse_loss, softmax

import retia
from retia.errors import EvaluationError, StudyError
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.oneshot.sandwich import Sandwich


class Sizes(nn.Module):
    def __init__(self, outputs=3):
        super().__init__()
        width = retia.choice("width", [8, 16, 4])
        self.stem = nn.Linear(2, width)
        self.body = retia.repeat(
            "body",
            lambda i: nn.Sequential(nn.Linear(width, width), retia.layer_choice("act", [nn.ReLU, nn.Tanh])),
            (0, 2),
        )
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


class Widths(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [retia.choice(f"width{i}", [8, 16, 4]) for i in range(2)]
        self.layers = nn.Sequential(
            nn.Linear(2, widths[0]),
            nn.ReLU(),
            nn.Linear(widths[0], widths[1]),
            nn.ReLU(),
            nn.Linear(widths[1], 3),
        )

    def forward(self, x):
        return self.layers(x)


@pytest.fixture
def classes(inputs):
    x = inputs()
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 1).long()


@pytest.fixture
def numbers(inputs):
    x = inputs()
    return x, torch.stack([x[:, 0], x[:, 1], x.sum(1)], 1)


def test_a_lesson_has_the_largest_the_smallest_and_random_paths(make_setting, items, classes, taught_paths):
    setting = make_setting(ModelSpace(Sizes), *classes)
    rows = taught_paths(Sandwich(random=3).session(setting), items(setting, 30))
    for largest, smallest, *others in rows:
        assert (largest["width"], largest["body"]) == (16, 2)
        assert smallest == {"width": 4, "body": 0}  # and nothing to draw
        assert len(others) == 3
    assert len({path for paths in rows for path in paths[2:]}) > 12  # of 21
    assert len({paths[0] for paths in rows}) == 4  # what has no order is drawn


@pytest.mark.parametrize("distill", [True, False])
def test_the_loss_is_the_sum_over_the_paths_exactly(make_setting, items, classes, distill, taught_paths):
    setting = make_setting(ModelSpace(Widths), *classes)
    (item,) = items(setting, 1)
    session = Sandwich(distill=distill).session(setting)
    (paths,) = taught_paths(session, [item])
    mine = {name: p.grad.clone() for name, p in setting.supernet.named_parameters()}
    setting.supernet.zero_grad()
    x, y = item.batch
    models = [setting.supernet.subnet(path) for path in paths]
    teacher = models[0](x)
    total = cross_entropy(teacher, y)
    for model in models[1:]:
        total = total + cross_entropy(model(x), softmax(teacher.detach(), 1) if distill else y)
    assert session.train_batch(item) == pytest.approx(float(total.detach()), rel=1e-6)
    setting.supernet.zero_grad()
    # The same sum by the supernet itself, in one backward pass.
    outputs = []
    for path in paths:
        setting.supernet.activate(path)
        outputs.append(setting.supernet(x))
    soft = softmax(outputs[0].detach(), 1)
    (
        cross_entropy(outputs[0], y) + sum(cross_entropy(out, soft if distill else y) for out in outputs[1:])
    ).backward()
    for name, parameter in setting.supernet.named_parameters():
        torch.testing.assert_close(mine[name], parameter.grad)


def test_paths_with_other_candidates_than_the_largest_learn_from_the_targets(
    make_setting, items, classes, taught_paths
):
    setting = make_setting(ModelSpace(Sizes), *classes)
    kinds = set()
    for item in items(setting, 10):
        session = Sandwich().session(setting)
        ((largest, *others),) = taught_paths(session, [item])
        x, y = item.batch
        outputs = setting.supernet.subnet(largest)(x)
        total = cross_entropy(outputs, y)
        for path in others:
            part = all(largest[label] == value for label, value in path.items() if label.endswith("act"))
            kinds.add(part)
            total = total + cross_entropy(
                setting.supernet.subnet(path)(x), softmax(outputs.detach(), 1) if part else y
            )
        assert session.train_batch(item) == pytest.approx(float(total.detach()), rel=1e-6)
    assert kinds == {True, False}


def test_without_sizes_there_is_another_random_path(make_setting, items, planted, taught_paths):
    setting = make_setting(planted.space, *planted.data(0))
    rows = taught_paths(Sandwich(random=1).session(setting), items(setting, 60))
    assert all(len(paths) == 3 for paths in rows)
    assert len({tuple(path["shape"] for path in paths[:2]) for paths in rows}) == 9


def test_a_regression_learns_the_outputs_of_the_largest(make_setting, items, numbers, taught_paths):
    setting = make_setting(ModelSpace(Widths), *numbers, loss=l1_loss)
    (item,) = items(setting, 1)
    session = Sandwich(random=1).session(setting)
    (paths,) = taught_paths(session, [item])
    x, y = item.batch
    largest, *others = (setting.supernet.subnet(path)(x) for path in paths)
    expected = l1_loss(largest, y) + sum(mse_loss(out, largest) for out in others)
    assert session.train_batch(item) == pytest.approx(float(expected.detach()), rel=1e-6)


def test_distillation_averages_over_samples_along_any_dimension():
    generator = torch.Generator().manual_seed(0)
    outputs, teacher = torch.randn(2, 4, 3, 5, generator=generator).unbind()  # (B, C, T)
    teacher.requires_grad_()
    labels = torch.zeros(4, 5, dtype=torch.long)
    batch = (torch.zeros(4, 1), labels)
    training = Classification(batch, batch)
    loss = training.distilled(outputs, teacher, batch)
    terms = torch.stack(
        [
            -(softmax(teacher[b, :, t], 0) * log_softmax(outputs[b, :, t], 0)).sum()
            for b in range(4)
            for t in range(5)
        ]
    ).view(4, 5)
    torch.testing.assert_close(loss, terms.mean())
    assert not loss.requires_grad  # the teacher is not taught
    labels[0, 1] = -100  # a target that does not count
    torch.testing.assert_close(training.distilled(outputs, teacher, batch), terms[labels >= 0].mean())


def test_a_forbidden_extreme_gives_way_to_the_nearest_allowed_path(
    make_setting, items, classes, taught_paths
):
    # The largest is 16 wide and 2 deep; allowed is one of both at most.
    setting = make_setting(
        ModelSpace(Sizes).where(lambda a: a["width"] > 4, "width > 4"),
        *classes,
        allows=lambda a: a["width"] * (a["body"] + 1) < 32,
    )
    session = Sandwich().session(setting)
    for largest, smallest, *_ in taught_paths(session, items(setting, 10)):
        assert (largest["width"], largest["body"]) in {(16, 0), (8, 2)}  # none of them can grow
        assert smallest == {"width": 8, "body": 0}


def test_restrictions_and_bounds_are_never_violated(make_setting, items, classes, taught_paths):
    space = ModelSpace(Sizes).where(lambda a: a["width"] > 4, "width > 4")
    setting = make_setting(space, *classes, allows=lambda a: a.get("body/0/act") != "ReLU")
    session = Sandwich().session(setting)
    rows = taught_paths(session, items(setting, 30))
    ranked = list(session.ranked())
    assert all(
        path in space and path.get("body/0/act") != "ReLU"
        for path in [*ranked, *(path for paths in rows for path in paths)]
    )
    assert {(paths[0]["width"], paths[0]["body"]) for paths in rows} == {
        (16, 2)
    }  # another activation was drawn
    assert len(ranked) == len(set(ranked)) == 2 * (1 + 1 + 2)


def test_a_lesson_is_the_same_whenever_it_is_taught(make_setting, items, classes, taught_paths):
    setting = make_setting(ModelSpace(Sizes), *classes, allows=lambda a: a["width"] < 16)
    all_lessons = list(items(setting, 6))
    forwards = taught_paths(Sandwich().session(setting), all_lessons)
    assert taught_paths(Sandwich().session(setting), all_lessons[::-1]) == forwards[::-1]


def test_real_parameters_have_extremes_too(make_setting, items, classes, taught_paths, slope):
    setting = make_setting(slope, *classes)
    largest, smallest, *others = taught_paths(Sandwich().session(setting), items(setting, 1))[0]
    assert (largest["slope"], smallest["slope"]) == (0.5, 0.1)
    assert all(0.1 < path["slope"] < 0.5 for path in others)


def test_a_bound_that_nothing_meets_is_an_error_before_training(make_setting, classes):
    with pytest.raises(StudyError, match="met the bounds on costs"):
        Sandwich().session(make_setting(ModelSpace(Sizes), *classes, allows=lambda a: False))


def test_a_number_of_paths_is_not_negative():
    with pytest.raises(
        EvaluationError, match="'random' of Sandwich must be a number of paths of at least 0, got -1"
    ):
        Sandwich(random=-1)
