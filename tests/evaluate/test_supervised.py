"""Classification and Regression, on real digits and on data whose answers are known."""

import json
import math
from dataclasses import replace

import cloudpickle
import pytest
import torch
import torchmetrics
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import retia
from retia import datasets
from retia.errors import ArchitectureError, EvaluationError, InfeasibleArchitecture, TrainingDiverged
from retia.evaluate import Classification, Regression, memory_format_of
from retia.nn import ModelSpace
from retia.space import Architecture, Categorical, Integer, Real, SearchSpace
from retia.strategy import GridSearch
from retia.study import Study
from retia.trial import WEIGHTS, Run, Trial


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [16, 32])
        self.body = nn.Sequential(
            *[nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)],
            *[nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU()],
        )
        self.head = nn.Linear(2 * width * 16, 10)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


class Dense(nn.Sequential):
    """Dropout makes training depend on every random draw."""

    def __init__(self, inputs=2, outputs=2):
        width = retia.choice("width", [8, 16])
        super().__init__(
            nn.Linear(inputs, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(width, outputs),
        )


class Line(nn.Module):
    """One weight and one bias, from zero."""

    def __init__(self):
        super().__init__()
        self.scale = retia.choice("scale", [1.0, 2.0])
        self.weight, self.bias = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.scale * (x * self.weight + self.bias)


def quadrants(count=200, seed=0):
    """Whether both coordinates have the same sign."""
    x = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return x, (x.prod(1) > 0).long()


def line(count=64, noise=0.0):
    x = torch.linspace(-1, 1, count)[:, None]
    return x, 3 * x + 1 + noise * torch.sin(50 * x)


DENSE, LINE = ModelSpace(Dense), ModelSpace(Line)


def evaluated(evaluator, space=DENSE, **run):
    return evaluator(space.default(), Run(space, **run))


def without_time(metrics):
    return {name: value for name, value in metrics.items() if name != "train_seconds"}


def quick(**settings):
    return Classification(
        quadrants(), quadrants(seed=1), **{"epochs": 2, "lr": 1e-2, "device": "cpu", **settings}
    )


def squared(outputs, batch):
    return nn.functional.cross_entropy(outputs, batch[1]) ** 2


# --- results


def test_a_small_network_reads_digits():
    data, space = datasets.digits(), ModelSpace(Conv)
    metrics = evaluated(
        Classification(data.train, data.valid, test=data.test, epochs=8, lr=5e-3, device="cpu"), space
    )
    assert metrics["accuracy"] > 0.97
    assert metrics["test_accuracy"] > 0.96
    assert 0 < metrics["loss"] < 0.15
    macs = 64 * 16 * 9 + 16 * 32 * 16 * 9 + 512 * 10
    assert (metrics["macs"], metrics["flops"]) == (macs, 2 * macs)
    assert metrics["params"] == (16 * 9 + 16) + 32 + (32 * 16 * 9 + 32) + 64 + (512 * 10 + 10)
    assert metrics["train_seconds"] > 0


def test_a_line_is_found():
    metrics = evaluated(
        Regression(line(), line(), epochs=40, batch_size=16, lr=0.1, weight_decay=0.0, device="cpu"), LINE
    )
    assert metrics["loss"] < 1e-4
    assert metrics["mae"] < 1e-2
    assert metrics["r2"] > 0.999
    assert set(metrics) == {"loss", "mae", "r2", "train_seconds", "params", "flops", "macs"}


def test_metrics_are_those_of_the_whole_validation_data():
    valid = line(100, noise=0.5)
    evaluator = Regression(
        line(), valid, epochs=1, lr=1e-9, batch_size=7, device="cpu"
    )  # a model that stays at 0
    metrics = evaluated(evaluator, LINE)
    y = valid[1]
    assert metrics["loss"] == pytest.approx(float((y**2).mean()), rel=1e-4)
    assert metrics["mae"] == pytest.approx(float(y.abs().mean()), rel=1e-4)
    assert metrics["r2"] == pytest.approx(1 - float((y**2).sum() / ((y - y.mean()) ** 2).sum()), rel=1e-4)


def test_regression_reads_patients():
    data, space = datasets.diabetes(), ModelSpace(Dense, 10, 1)
    metrics = evaluated(
        Regression(data.train, data.valid, test=data.test, epochs=20, lr=1e-2, device="cpu"), space
    )
    assert metrics["r2"] > 0.3
    assert {"test_loss", "test_mae", "test_r2"} < set(metrics)


@pytest.mark.parametrize("shape", [(24, 3, 5, 7), (24, 6)])
def test_metrics_of_tensors_that_are_not_contiguous(shape):
    """Convolutions train channels last, and targets may be a slice."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    inputs, y = (values, values) if len(shape) == 4 else (values[:, :2], values[:, 1:4])
    space = ModelSpace(
        (lambda: nn.Conv2d(3, 3, 3, padding=retia.choice("p", [1])))
        if len(shape) == 4
        else (lambda: nn.Linear(2, retia.choice("outputs", [3])))
    )
    training = Regression((inputs, y), (inputs, y), epochs=1, batch_size=5, device="cpu")
    model = space.build(space.default(), seed=0)
    found = training.measure(model.to(memory_format=memory_format_of(model)))
    with torch.no_grad():
        outputs = model(inputs)
    assert found["mae"] == pytest.approx(float((outputs - y).abs().mean()), rel=1e-5)
    assert found["loss"] == pytest.approx(float((outputs - y).square().mean()), rel=1e-5)
    assert math.isfinite(evaluated(training, space)["r2"])


# --- randomness


def test_the_same_seed_gives_the_same_metrics_bit_for_bit():
    first, second = (without_time(evaluated(quick(), seed=5)) for _ in range(2))
    assert first == second
    assert first != without_time(evaluated(quick(), seed=6))


@pytest.mark.parametrize(
    "train",
    [
        TensorDataset(*quadrants()),
        DataLoader(TensorDataset(*quadrants()), batch_size=32, shuffle=True),
        DataLoader(
            TensorDataset(*quadrants()),
            batch_size=32,
            shuffle=True,
            generator=torch.Generator().manual_seed(3),
        ),
    ],
)
def test_loaders_give_the_same_metrics_too_and_learn(train):
    evaluator = replace(quick(epochs=15, lr=3e-2), train=train)
    first, second = (without_time(evaluated(evaluator, seed=5)) for _ in range(2))
    assert first == second
    assert first["accuracy"] > 0.8


def test_the_global_generator_is_put_back():
    before = torch.get_rng_state()
    evaluated(
        replace(
            quick(test=quadrants(seed=2)),
            train=DataLoader(TensorDataset(*quadrants()), batch_size=32, shuffle=True),
        )
    )
    assert torch.equal(torch.get_rng_state(), before)


def test_a_copy_in_another_process_would_be_the_same():
    evaluator = quick(
        metrics={"f1": lambda: torchmetrics.F1Score("multiclass", num_classes=2, average="macro")}
    )
    copy = cloudpickle.loads(cloudpickle.dumps(evaluator))
    assert without_time(evaluated(copy)) == without_time(evaluated(evaluator))
    assert copy.describe() == evaluator.describe()


# --- the course of training


def test_every_epoch_is_reported_and_the_best_one_returned():
    reports = []
    evaluator = quick(epochs=6, lr=0.05, schedule="constant")
    metrics = evaluated(evaluator, listener=lambda values, step: reports.append((step, values)))
    assert [step for step, _ in reports] == [1, 2, 3, 4, 5, 6]
    assert metrics["accuracy"] == max(values["accuracy"] for _, values in reports)
    best = next(values for _, values in reports if values["accuracy"] == metrics["accuracy"])
    assert {name: metrics[name] for name in best} == best


def test_the_weights_of_the_best_epoch_are_kept(tmp_path):
    def cliff(optimizer, steps):
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.2 if step < steps / 2 else 1.5
        )  # above 1 it diverges

    valid, reports = line(32), []
    evaluator = Regression(
        line(), valid, epochs=4, lr=1.0, optimizer="sgd", momentum=0.0, schedule=cliff, device="cpu"
    )
    metrics = evaluated(
        evaluator, LINE, directory=tmp_path, listener=lambda values, step: reports.append(values["loss"])
    )
    assert metrics["loss"] == min(reports) == reports[2]
    assert reports[3] > 3 * reports[2]
    trial = Trial(0, LINE.default(), "completed", metrics=metrics, directory=tmp_path, space=LINE)
    model = trial.load()
    with torch.no_grad():
        assert float(nn.functional.mse_loss(model(valid[0]), valid[1])) == pytest.approx(
            metrics["loss"], rel=1e-5
        )


def test_test_metrics_are_of_the_kept_weights():
    valid = quadrants(seed=1)
    metrics = evaluated(quick(test=valid, epochs=6, lr=0.05, schedule="constant"))
    assert metrics["test_accuracy"] == metrics["accuracy"]
    assert metrics["test_loss"] == pytest.approx(metrics["loss"])


def test_weights_are_kept_where_there_is_a_folder_and_only_if_wanted(tmp_path):
    evaluated(quick(), directory=tmp_path / "kept")
    assert (
        load_file(tmp_path / "kept" / WEIGHTS).keys()
        == DENSE.build(DENSE.default(), seed=0).state_dict().keys()
    )
    evaluated(quick(), directory=tmp_path / "left", keep_weights=False)
    assert not (tmp_path / "left").exists()


def test_the_fidelity_is_the_number_of_epochs():
    steps = []
    evaluated(quick(epochs=9), fidelity=3.0, listener=lambda values, step: steps.append(step))
    assert steps == [1, 2, 3]


def test_patience_ends_what_does_not_improve():
    steps = []
    evaluated(quick(epochs=9, lr=1e-12, patience=2), listener=lambda values, step: steps.append(step))
    assert len(steps) < 9


def test_patience_counts_from_the_best_epoch():
    steps = []
    evaluator = Regression(
        line(), line(), epochs=9, lr=0.1, patience=1, device="cpu"
    )  # every epoch is better than the one before
    evaluated(evaluator, LINE, listener=lambda values, step: steps.append(step))
    assert len(steps) == 9


def test_label_smoothing_is_trained_on_and_not_reported():
    untrained = [
        evaluated(quick(label_smoothing=value, lr=1e-12, optimizer="sgd"))["loss"] for value in (0.0, 0.9)
    ]
    assert untrained[0] == pytest.approx(untrained[1], rel=1e-6)
    plain, smooth = (evaluated(quick(label_smoothing=value, epochs=8)) for value in (0.0, 0.9))
    assert smooth["loss"] > plain["loss"]


def test_the_gradient_is_clipped():
    moved = {}
    for norm in (None, 1e-3):
        start = Regression(
            line(),
            line(),
            epochs=1,
            batch_size=64,
            lr=1.0,
            optimizer="sgd",
            momentum=0.0,
            weight_decay=0.0,
            clip_norm=norm,
            device="cpu",
        )
        moved[norm] = evaluated(start, LINE)["loss"]
    zero = float((line()[1] ** 2).mean())
    assert moved[1e-3] == pytest.approx(zero, rel=1e-2)  # one step of length 0.001 hardly leaves the start
    assert abs(moved[None] - zero) > 0.5


def test_momentum_optimizer_and_schedule_matter():
    results = {
        evaluated(quick(**settings))["loss"]
        for settings in (
            {},
            {"optimizer": "sgd"},
            {"optimizer": "sgd", "momentum": 0.0},
            {"schedule": "constant"},
            {"warmup_epochs": 1},
            {"weight_decay": 0.5},
        )
    }
    assert len(results) == 6


def test_optimizer_and_schedule_by_function():
    evaluator = quick(
        optimizer=lambda parameters, lr: torch.optim.RMSprop(parameters, lr=lr),
        schedule=lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 1e-2, total_steps=steps + 1
        ),
        epochs=8,
    )
    assert evaluated(evaluator)["accuracy"] > 0.75


def test_a_loss_by_function():
    def scaled(outputs, batch):
        return 2 * nn.functional.cross_entropy(outputs, batch[1])

    plain, doubled = (evaluated(quick(loss=loss, lr=1e-12)) for loss in (None, scaled))
    assert doubled["loss"] == pytest.approx(2 * plain["loss"], rel=1e-5)


def test_further_metrics_as_instances_and_factories():
    instance = torchmetrics.F1Score(
        "multiclass", num_classes=2, average="micro"
    )  # for single labels the same as accuracy
    evaluator = quick(
        metrics={"f1": instance, "again": lambda: torchmetrics.Accuracy("multiclass", num_classes=2)},
        test=quadrants(seed=2),
    )
    metrics = evaluated(evaluator)
    assert metrics["f1"] == metrics["accuracy"] == metrics["again"]
    assert metrics["test_f1"] == metrics["test_accuracy"]
    assert instance.update_count == 0
    assert set(evaluator.capabilities().metrics) == set(metrics)


def test_bfloat16_on_the_cpu():
    precise, coarse = (
        evaluated(quick(precision=precision, epochs=6)) for precision in ("float32", "bfloat16")
    )
    assert precise["loss"] != coarse["loss"]
    assert coarse["accuracy"] > 0.75


def test_images_train_channels_last():
    formats = []

    class Watching(nn.Conv2d):
        def forward(self, x):
            formats.append(
                (
                    x.is_contiguous(memory_format=torch.channels_last),
                    self.weight.is_contiguous(memory_format=torch.channels_last),
                )
            )
            return super().forward(x)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = Watching(3, retia.choice("width", [4, 8]), 3), nn.Linear(16, 2)

        def forward(self, x):
            return self.head(self.conv(x).flatten(1)[:, :16])

    x = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    evaluator = Classification(
        (x, torch.tensor([0, 1] * 3)), (x, torch.tensor([0, 1] * 3)), epochs=1, device="cpu"
    )
    space = ModelSpace(Net)
    evaluator.costs()  # counting runs as the model was built; what follows is training and judging
    model_runs = len(formats)
    evaluated(evaluator, space)
    assert formats[model_runs + 1 :] == [(True, True), (True, True)]


def test_inputs_by_name():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, retia.choice("width", [2, 4])), nn.Linear(2, 2)

        def forward(self, left, right):
            return self.a(left)[:, :2] + self.b(right)

    class Named(torch.utils.data.Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, i):
            return {"right": torch.tensor([i / 20, 1.0]), "left": torch.tensor([1.0, 0.0])}, int(i > 9)

    metrics = evaluated(Classification(Named(), Named(), epochs=30, lr=0.1, device="cpu"), ModelSpace(Net))
    assert metrics["accuracy"] >= 0.9
    assert metrics["macs"] == 2 * 2 + 2 * 2


# --- settings that are searched


def test_fields_may_be_domains():
    domains = {
        "lr": Real(1e-4, 1e-1, log=True),
        "batch_size": Categorical((32, 64)),
        "epochs": Integer(1, 3),
        "optimizer": Categorical(("adamw", "sgd")),
    }
    evaluator = quick(**domains)
    assert evaluator.parameters() == domains
    assert quick().parameters() == {}
    space = DENSE.extend(evaluator.parameters())
    chosen = {"lr": 1e-2, "batch_size": 32, "epochs": 3, "optimizer": "sgd"}
    steps = []
    metrics = evaluator(
        space.validate({"width": 8, **chosen}), Run(space, listener=lambda values, step: steps.append(step))
    )
    assert steps == [1, 2, 3]
    assert without_time(metrics) == without_time(evaluated(quick(**chosen)))


def test_a_searched_field_that_the_architecture_lacks():
    with pytest.raises(
        ArchitectureError,
        match=r"'lr' of Classification is searched .*the architecture has no value for it.*space.extend",
    ):
        evaluated(quick(lr=Real(1e-4, 1e-1)))


def test_joint_search_of_architecture_and_training():
    study = retia.search(
        DENSE,
        quick(lr=Categorical((1e-6, 1e-2)), epochs=6),
        retia.strategy.GridSearch(),
        trials=4,
        maximize="accuracy",
        progress=False,
    )
    assert {(trial.architecture["width"], trial.architecture["lr"]) for trial in study.trials} == {
        (8, 1e-6),
        (8, 1e-2),
        (16, 1e-6),
        (16, 1e-2),
    }
    assert study.best.architecture["lr"] == 1e-2


# --- what a study asks


def test_costs_know_the_shape_of_the_data():
    assert quick().costs() == retia.Costs((2,))
    assert replace(
        quick(), train=DataLoader(TensorDataset(*quadrants()), batch_size=8)
    ).costs() == retia.Costs((2,))


def test_all_metrics_are_announced():
    for evaluator in (quick(), quick(test=quadrants(seed=2))):
        assert set(evaluator.capabilities().metrics) == set(evaluated(evaluator))
    regression = Regression(line(), line(), test=line(), epochs=1, device="cpu")
    assert set(regression.capabilities().metrics) == set(evaluated(regression, LINE))


def test_the_description_is_json_and_changes_with_what_matters():
    evaluator = quick(lr=Real(1e-3, 1e-1), loss=squared)
    description = evaluator.describe()
    assert json.loads(json.dumps(description)) == description
    assert description["type"] == "Classification"
    assert description["loss"].endswith(".squared")
    for changed in (
        {"lr": 1e-2},
        {"epochs": 3},
        {"train": quadrants(seed=9)},
        {"test": quadrants(seed=9)},
        {"loss": quick().loss},
    ):
        assert replace(evaluator, **changed).describe() != description
    assert replace(evaluator, device="meta", keep_checkpoints=True).describe() == description


def test_two_evaluators_compare_and_print_without_their_data():
    evaluator = quick()
    assert evaluator == evaluator
    assert evaluator != quick()
    assert "TensorData(x: (200, 2) float32, y: (200,) int64)" in repr(evaluator)
    assert len(repr(evaluator)) < 700


# --- what goes wrong


def test_a_loss_that_diverges_names_epoch_and_step():
    evaluator = Regression(
        line(),
        line(),
        epochs=50,
        batch_size=32,
        lr=1e30,
        optimizer="sgd",
        momentum=0.0,
        schedule="constant",
        device="cpu",
    )
    with pytest.raises(
        TrainingDiverged,
        match=r"The loss became (nan|inf) in epoch 1, step 2. Lower the learning rate \(lr=1e\+30\), set clip_norm",
    ):
        evaluated(evaluator, LINE)


def test_a_training_that_diverges_fails_its_trial_and_not_the_study():
    evaluator = Regression(
        line(),
        line(),
        epochs=2,
        lr=Categorical((1e30, 1e-2)),
        optimizer="sgd",
        momentum=0.0,
        schedule="constant",
        device="cpu",
    )
    study = Study(LINE, evaluator, minimize="loss")
    assert study.run(GridSearch(), trials=2, failures="ignore") == "trials done"
    assert [trial.state for trial in study.trials] == ["failed", "completed"]
    assert "TrainingDiverged: On the validation data of epoch 1 the model gives {" in study.trials[0].error


def test_a_validation_loss_that_is_no_number():
    def careless(outputs, batch):
        return nn.functional.mse_loss(outputs, batch[1]) / (len(outputs) - 3)  # valid has three samples

    evaluator = Regression(line(), line(3), epochs=1, batch_size=64, loss=careless, device="cpu")
    with pytest.raises(
        EvaluationError, match=r"On the validation data of epoch 1 the model gives \{'loss': inf\}"
    ):
        evaluated(evaluator, LINE)


def test_too_few_scores_for_the_labels():
    x, _ = quadrants()
    for train, valid in (
        ((x, torch.arange(200) % 3), (x, torch.arange(200) % 3)),
        (quadrants(), (x, torch.arange(200) % 3)),
    ):
        with pytest.raises(
            EvaluationError,
            match=r"returns 2 scores, but the targets go up to 2, so there are at least 3 classes. Give its head 3",
        ):
            evaluated(Classification(train, valid, epochs=1, device="cpu"))
    loader = DataLoader(TensorDataset(x, torch.arange(200) % 3), batch_size=32)
    with pytest.raises(EvaluationError, match="so there are at least 3 classes"):
        evaluated(Classification(loader, quadrants(), epochs=1, device="cpu"))


@pytest.mark.parametrize("outputs", [1, 3])
def test_outputs_that_are_no_scores(outputs):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, retia.choice("width", [4, 8]))

        def forward(self, x):
            y = self.layer(x)
            return y[:, :1] if outputs == 1 else y[:, None]

    with pytest.raises(
        EvaluationError,
        match=r"A classifier returns a score for each class, of shape \(B, classes, ...\) for targets \(B, ...\), got \(64, 1",
    ):
        evaluated(quick(), ModelSpace(Net))


def test_outputs_that_are_no_tensor():
    class Net(Dense):
        def forward(self, x):
            return {"logits": super().forward(x)}

    with pytest.raises(
        EvaluationError,
        match=r"The model returns a dict, but a tensor of outputs is needed.*take it out: forward=",
    ):
        evaluated(quick(), ModelSpace(Net))


def test_targets_of_another_shape():
    x, y = line()
    with pytest.raises(
        EvaluationError,
        match=r"outputs have the shape of its targets, \(64,\), got \(64, 1\).*y.unsqueeze\(1\)",
    ):
        evaluated(Regression((x, y[:, 0]), (x, y[:, 0]), epochs=1, device="cpu"), LINE)


def test_a_space_without_models():
    space = SearchSpace({"width": Categorical((4, 8))})
    with pytest.raises(EvaluationError, match=r"the space \(SearchSpace\) builds none. Search a ModelSpace"):
        quick()(Architecture({"width": 4}), Run(space))


def test_parts_that_do_not_fit_are_named_before_training():
    with pytest.raises(InfeasibleArchitecture, match=r"'0' \(Linear\), on \(1, 2\)"):
        evaluated(quick(), ModelSpace(Dense, 5))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, "'epochs' of Classification must be a whole number of at least 1"),
        ({"optimizer": "adam"}, "'optimizer' of Classification must be one of 'adamw', 'sgd' or a function"),
        (
            {"warmup_epochs": 1, "schedule": lambda optimizer, steps: None},
            r"'warmup_epochs' is part of 'cosine' and 'constant', but 'schedule' is a function",
        ),
        (
            {"label_smoothing": 0.1, "loss": squared},
            r"'label_smoothing' is a setting of the cross-entropy, but 'loss' is <function squared",
        ),
        (
            {"metrics": {"accuracy": torchmetrics.MeanMetric}},
            r"Classification supplies \['accuracy'\] itself, so a metric in 'metrics' needs another name",
        ),
        ({"metrics": {"params": torchmetrics.MeanMetric}}, r"supplies \['params'\] itself"),
        ({"train": (torch.ones(3, 2), torch.ones(3))}, "The targets of 'train' are class numbers"),
        ({"valid": None}, "'valid' is tensors or arrays, such as a pair"),
        (
            {"loss": nn.functional.cross_entropy},
            r"'loss' of Classification is a function of outputs and the batch.*loss=lambda outputs, batch: nn",
        ),
        ({"loss": nn.CrossEntropyLoss()}, "'loss' of Classification is a function of outputs and the batch"),
        ({"loss": 3}, "'loss' of Classification is a function of outputs and the batch, got 3"),
        (
            {"select": ("f1", "max")},
            r"'select' of Classification is a metric, of \['accuracy', 'loss'\], and",
        ),
        ({"train": iter([quadrants()])}, "'train' can be iterated once only"),
        (
            {"test": (torch.ones(3, 2), torch.ones(2).long())},
            "The tensors of 'test' need the same number of samples",
        ),
    ],
)
def test_impossible_settings_are_rejected_at_once(settings, said):
    with pytest.raises(EvaluationError, match=said):
        Classification(**{"train": quadrants(), "valid": quadrants(), **settings})


def test_regression_says_so_too():
    with pytest.raises(
        EvaluationError, match="The targets of 'train' are a tensor of real numbers, got bool"
    ):
        Regression((torch.ones(3, 1), torch.ones(3, 1) > 0), line())
    with pytest.raises(EvaluationError, match=r"Regression supplies \['r2'\] itself"):
        Regression(line(), line(), metrics={"r2": torchmetrics.R2Score})


def test_it_lasts_for_a_leftover_sample():
    evaluator = replace(quick(batch_size=50), train=quadrants(201))
    assert math.isfinite(evaluated(evaluator)["loss"])
