"""The recipe that every consumer takes."""

import collections
import dataclasses
import math
import types

import pytest
import torch
import torchmetrics
from torch import nn

import retia
from retia.errors import EvaluationError
from retia.evaluate import Classification, LanguageModeling, Regression, Trainer, Training
from retia.nn import ModelSpace, map_tensors, move
from retia.trial import Run


def data(n=12, classes=3):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(n) % classes


def squared(outputs, batch):
    return ((outputs - batch[1]) ** 2).mean()


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = retia.choice("scale", [1.0, 2.0])
        self.weight, self.bias = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.scale * (x * self.weight + self.bias)


def line(count=64):
    x = torch.linspace(-1, 1, count)[:, None]
    return x, 3 * x + 1


def evaluated(training, space, **run):
    return training(space.default(), Run(space, **run))


# --- what consumers take


def test_a_preset_fills_in_the_recipe():
    training = Classification(
        data(),
        data(),
        epochs=4,
        batch_size=5,
        lr=0.1,
        optimizer="sgd",
        momentum=0.5,
        schedule="constant",
        warmup_epochs=2,
        device="cpu",
    )
    assert training.capabilities().training() is training
    outputs, batch = torch.tensor([[2.0, 0.0, 0.0]]), (torch.zeros(1, 4), torch.tensor([0]))
    assert torch.allclose(training.loss(outputs, batch), nn.functional.cross_entropy(outputs, batch[1]))
    (optimizer,) = training.optimizers(nn.Linear(4, 3, bias=False, device="meta"))
    assert (optimizer.defaults["momentum"], optimizer.param_groups[0]["lr"]) == (0.5, 0.1)
    (schedule,) = training.schedules([optimizer], 8, epochs=4)  # 2 of the 4 epochs warm up
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1])


def test_it_measures_on_the_validation_data():
    x, y = data()

    class Right(nn.Module):
        def forward(self, inputs):
            index = (inputs[:, None] == x[None]).all(2).float().argmax(1)
            return nn.functional.one_hot(y[index], 3).float() * 100

    assert Classification((x, y), (x, y)).measure(Right())["accuracy"] == 1.0


def test_a_searched_setting_can_not_train_a_supernet():
    training = Classification(data(), data(), lr=retia.Real(0.1, 1.0))
    with pytest.raises(
        EvaluationError, match="'lr' of Classification is searched .* but a supernet is trained once"
    ):
        training.training()


# --- the three functions


def test_a_scalar_alone_is_enough():
    space = ModelSpace(Line)
    own = Training(
        line(),
        line(),
        loss=lambda loss, batch: loss,
        forward=lambda model, batch: squared(model(batch[0]), batch),
        epochs=3,
        lr=0.1,
        device="cpu",
    )
    plain = Training(line(), line(), loss=squared, epochs=3, lr=0.1, device="cpu")
    assert evaluated(own, space)["loss"] == evaluated(plain, space)["loss"]


def test_what_the_model_gets_and_what_is_learned_are_functions_of_the_batch():
    x, y = line()
    batch = {"left": x, "right": y, "unused": torch.zeros(64, 5)}
    training = Training(
        batch,
        batch,
        inputs=lambda batch: batch["left"],
        targets=lambda batch: batch["right"],
        loss=lambda outputs, batch: ((outputs - batch["right"]) ** 2).mean(),
        metrics={"mae": torchmetrics.MeanAbsoluteError},
        epochs=40,
        lr=0.2,
        device="cpu",
    )
    metrics = evaluated(training, ModelSpace(Line))
    assert metrics["mae"] < 0.1
    assert set(metrics) == set(training.capabilities().metrics)


def test_judge_replaces_the_measurement():
    training = Training(
        line(),
        line(),
        loss=squared,
        judge=lambda model, batches: {"worst": max(float((model(x) - y).abs().max()) for x, y in batches)},
        select=("worst", "min"),
        epochs=3,
        lr=0.1,
        device="cpu",
    )
    assert training.capabilities().metrics is None
    assert 0 < evaluated(training, ModelSpace(Line))["worst"] < 4


def test_two_inputs_and_a_nest_of_tensors():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4 + 2, 3, bias=retia.choice("bias", [True, False]))

        def forward(self, a, more):
            return self.layer(torch.cat([a, more["b"]], 1))

    x, y = data()
    batch = ((x, {"b": torch.ones(12, 2)}), y)
    metrics = evaluated(Classification(batch, batch, epochs=1, device="cpu"), ModelSpace(Two))
    assert metrics["macs"] == 18


def test_gradients_of_batches_are_weighed_by_what_counts_in_them():
    """Two batches of uneven numbers of targets make the step that one batch of all would."""
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1, -100, -100, 1, 0, 1, -100])

    class Zero(nn.Linear):
        def __init__(self):
            super().__init__(4, 2, bias=retia.choice("bias", [True, False]))
            nn.init.zeros_(self.weight)

    space = ModelSpace(Zero)
    settings = {
        "epochs": 1,
        "lr": 0.5,
        "optimizer": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "schedule": "constant",
        "device": "cpu",
    }
    weights = []
    for size, accumulate in ((8, 1), (4, 2), (2, 4)):
        trainer = Trainer(
            space.build(space.default(), seed=0),
            Classification((x, y), (x, y), batch_size=size, accumulate=accumulate, **settings),
            seed=0,
        )
        trainer.fit(lambda metrics, epoch: None)
        weights.append(trainer.model.weight.detach().clone())
    torch.testing.assert_close(weights[1], weights[0])
    torch.testing.assert_close(weights[2], weights[0])
    assert weights[0].abs().sum() > 0


def test_an_epoch_of_so_many_steps():
    steps = []

    def counted(outputs, batch):
        steps.append(len(batch[0]))
        return squared(outputs, batch)

    training = Training(
        line(),
        line(),
        loss=counted,
        valid_loss=squared,
        batch_size=8,
        steps_per_epoch=3,
        epochs=2,
        device="cpu",
    )
    evaluated(training, ModelSpace(Line))
    assert steps == [8] * 6


# --- how many samples a batch has


@dataclasses.dataclass
class Sample:
    """A batch that is no container of tensors, such as a graph."""

    x: torch.Tensor
    y: torch.Tensor | None

    def to(self, device):
        return type(self)(self.x.to(device), None if self.y is None else self.y.to(device))


class Counted(Sample):
    @property
    def num_graphs(self):
        return len(self.x)


class Tokens(torch.nn.Module):
    """A model of any of the batches below."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3, bias=retia.choice("bias", [True, False]))

    def forward(self, x=None, edge_index=None):
        return self.layer(x.x if isinstance(x, Sample) else x)


def cross_entropy(outputs, batch):
    return nn.functional.cross_entropy(outputs, batch["labels"] if isinstance(batch, dict) else batch.y)


def counted_loss(outputs, batch):
    return outputs.square().mean()


UNEVEN = {
    "object with y": (lambda x, y: Sample(x, y), cross_entropy),
    "object with num_graphs": (lambda x, y: Counted(x, None), counted_loss),
    "mapping whose first tensor is not over the batch": (
        lambda x, y: {"edge_index": torch.zeros(2, 9 * len(x)), "x": x, "labels": y},
        cross_entropy,
    ),
}


@pytest.mark.parametrize("case", UNEVEN)
def test_uneven_batches_are_averaged_by_their_samples(case):
    """3 and 61 samples give the loss and the training step of one batch of 64."""
    make, loss = UNEVEN[case]
    x, y = data(64)
    batches = [make(x[:3], y[:3]), make(x[3:], y[3:])]
    settings = {"epochs": 1, "lr": 0.5, "optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    space, found, steps = ModelSpace(Tokens), [], []
    for given, accumulate in ((batches, 2), ([make(x, y)], 1)):
        model = space.build(space.default(), seed=0)
        training = Training(
            given,
            given,
            loss=loss,
            accumulate=accumulate,
            device="cpu",
            example=(torch.ones(2, 4),),
            **settings,
        )
        found.append(training.measure(model)["loss"])
        Trainer(model, training, seed=0).fit(lambda metrics, epoch: None)
        steps.append(model.layer.weight.detach().clone())
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    torch.testing.assert_close(steps[0], steps[1])


def test_a_batch_without_a_sample_count():
    x, _ = data()
    batches = [Sample(x[:3], None), Sample(x[3:], None)]
    given = {"loss": counted_loss, "example": (torch.ones(2, 4),), "device": "cpu"}
    with pytest.raises(
        EvaluationError,
        match="The number of samples of a batch is not known: a Sample. .*weight=lambda batch",
    ):
        Training(batches, batches, **given)
    weighed = Training(batches, batches, weight=lambda batch: len(batch.x), **given)
    model = ModelSpace(Tokens).build({"bias": True}, seed=0)
    with torch.no_grad():
        assert weighed.measure(model)["loss"] == pytest.approx(float(model(x).square().mean()), rel=1e-5)


# --- batches in which no target counts


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_batch_in_which_no_target_counts_is_skipped(accumulate, precision):
    x, y = data(16)
    ignored = (x, y * 0 - 100)
    space, weights = ModelSpace(Tokens), []
    for batches in ([ignored] * accumulate + [(x, y)] * accumulate, [(x, y)] * accumulate):
        training = Classification(
            batches,
            [ignored, (x, y)],
            epochs=1,
            schedule="constant",
            accumulate=accumulate,
            lr=0.1,
            precision=precision,
            device="cpu",
        )
        trainer = Trainer(space.build(space.default(), seed=0), training, seed=0)
        metrics = trainer.fit(lambda metrics, epoch: None)
        weights.append(trainer.model.layer.weight.detach())
        assert 0 < metrics["accuracy"] <= 1
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_data_in_which_no_target_counts():
    x, y = data()
    ignored = (x, y * 0 - 100)
    for named, train, valid in (("train", ignored, (x, y)), ("valid", (x, y), [ignored, ignored])):
        with pytest.raises(
            EvaluationError, match=f"No target of '{named}' counts, so there is no loss. Give"
        ):
            Classification(train, valid)
    loader = torch.utils.data.DataLoader([ignored], batch_size=None)
    for train, valid, said in (
        (loader, (x, y), "No target of the training data counts in epoch 1"),
        ((x, y), loader, "No target of the validation data counts"),
    ):
        with pytest.raises(EvaluationError, match=said):
            evaluated(Classification(train, valid, epochs=1, device="cpu"), ModelSpace(Tokens))
    with pytest.raises(EvaluationError, match="No target of 'train' counts"):
        Training((x, y), (x, y), loss=counted_loss, weight=lambda batch: 0)


# --- mappings of other types


class Output(collections.OrderedDict):
    """A mapping with attributes, as models of Hugging Face return them."""

    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        object.__setattr__(self, name, value)


def test_training_and_measuring_hand_over_the_same_mapping():
    class Net(Tokens):
        def forward(self, x, labels):
            scores = self.layer(x)
            return Output(loss=nn.functional.cross_entropy(scores, labels), scores=scores)

    def loss(outputs, batch):
        seen.append((type(outputs), type(batch), batch.labels.dtype))
        return outputs.loss

    x, y = data()
    seen, space = [], ModelSpace(Net)
    batches = [Output(x=x, labels=y)]
    for precision in ("float32", "bfloat16"):
        training = Training(
            batches,
            batches,
            loss=loss,
            inputs=lambda batch: dict(batch),
            epochs=1,
            precision=precision,
            device="cpu",
        )
        metrics = evaluated(training, space)
        assert metrics["loss"] < 3
    assert seen == [(Output, Output, torch.int64)] * 4


def test_a_model_of_hugging_face_with_its_own_loss():
    transformers = pytest.importorskip("transformers")

    def model():
        width = retia.choice("width", [8, 16])
        config = transformers.GPT2Config(vocab_size=4, n_positions=8, n_embd=width, n_layer=1, n_head=2)
        return transformers.GPT2LMHeadModel(config)

    def loss(outputs, batch):
        assert batch.labels.shape == (6, 8)
        return outputs.loss

    tokens = torch.tensor([[0, 1, 2, 3] * 2] * 6)
    batches = [transformers.BatchEncoding({"input_ids": tokens, "labels": tokens})]
    training = Training(
        batches, batches, loss=loss, inputs=lambda batch: batch, epochs=30, lr=0.03, device="cpu"
    )
    assert evaluated(training, ModelSpace(model))["loss"] < 0.5


def test_a_mapping_that_can_not_be_filled_stays_or_becomes_a_dictionary():
    fixed = types.MappingProxyType({"a": torch.ones(1, dtype=torch.float64)})
    assert map_tensors(lambda tensor: tensor, fixed) is fixed
    assert map_tensors(torch.neg, fixed) == {"a": -torch.ones(1)}
    ordered = collections.OrderedDict(a=torch.ones(1))
    moved = move(ordered, "cpu")
    assert (type(moved), moved is ordered) == (collections.OrderedDict, False)
    assert move(collections.defaultdict(list, a=torch.ones(1)), "cpu")["other"] == []


# --- class targets of any shape


def tagged(outputs_last):
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            width = retia.choice("width", [8, 16])
            self.embed, self.head = nn.Embedding(5, width), nn.Linear(width, 3)

        def forward(self, tokens):
            scores = self.head(self.embed(tokens))  # (B, T, 3)
            return scores if outputs_last else scores.movedim(-1, 1)

    return ModelSpace(Tagger)


@pytest.mark.parametrize("ignored", [255, -1])
def test_an_ignored_class_number_is_no_class(ignored):
    """The usual one of a segmentation is 255, with a head for the true classes alone."""
    images = torch.randn(8, 1, 5, 7, generator=torch.Generator().manual_seed(0))
    classes = (images[:, 0] > 0).long()
    classes[:, :2] = ignored
    space = ModelSpace(lambda: nn.Conv2d(1, 2, retia.choice("kernel", [1])))
    training = Classification(
        *[(images, classes)] * 2, ignore_index=ignored, class_weights=[1.0, 3.0], epochs=1, device="cpu"
    )
    model, counted = space.build(space.default(), seed=0), classes != ignored
    with torch.no_grad():
        scores = model(images)
    expected = nn.functional.cross_entropy(
        scores, classes, weight=torch.tensor([1.0, 3.0]), ignore_index=ignored
    )
    found = training.measure(model)
    assert found["loss"] == pytest.approx(float(expected), rel=1e-5)
    right = (scores.argmax(1) == classes)[counted]
    assert found["accuracy"] == pytest.approx(float(right.float().mean()))
    assert training.weight((images, classes)) == float((1 + 2 * classes[counted]).sum())
    assert evaluated(training, space)["accuracy"] <= 1


@pytest.mark.parametrize("late", [3, -2])
@pytest.mark.parametrize("loaded", [True, False])
def test_a_class_number_that_comes_late(late, loaded):
    """A first batch does not show it; a loader is not run through before training."""
    x, y = data(16, classes=2)
    batches = [(x[:8], y[:8]), (x[8:], y[8:] * 0 + late)]
    given = torch.utils.data.DataLoader(batches, batch_size=None) if loaded else batches
    said = "the targets go up to 3, so there are at least 4 classes" if late > 0 else "from 0, got -2"
    space = ModelSpace(lambda: nn.Linear(4, 2, bias=retia.choice("bias", [True])))
    for train, valid in ((given, (x, y)), ((x, y), given)):
        with pytest.raises(EvaluationError, match=said):
            evaluated(Classification(train, valid, epochs=1, device="cpu"), space)


@pytest.mark.parametrize("outputs_last", [True, False])
def test_a_class_for_each_token_with_some_that_do_not_count(outputs_last):
    tokens = torch.randint(5, (40, 7), generator=torch.Generator().manual_seed(0))
    labels = torch.where(tokens == 4, -100, tokens % 3)
    training = Classification(
        (tokens, labels), (tokens, labels), epochs=60, lr=0.1, select=("loss", "min"), device="cpu"
    )
    metrics = evaluated(training, tagged(outputs_last))
    assert metrics["accuracy"] == 1.0
    assert metrics["loss"] < 0.1


def test_classes_in_two_dimensions_at_once_are_asked_for():
    tokens = torch.randint(5, (4, 3), generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        EvaluationError,
        match=r"Scores of shape \(4, 3, 3\) for targets of shape \(4, 3\) may have their classes in.*class_dim=1 or",
    ):
        evaluated(
            Classification((tokens, tokens % 3), (tokens, tokens % 3), epochs=1, device="cpu"),
            tagged(outputs_last=True),
        )
    training = Classification(
        (tokens, tokens % 3), (tokens, tokens % 3), epochs=1, device="cpu", class_dim=-1
    )
    assert "accuracy" in evaluated(training, tagged(outputs_last=True))


def test_several_labels_a_sample():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, :3] > 0).float()
    space = ModelSpace(lambda: nn.Linear(4, 3, bias=retia.choice("bias", [True, False])))
    metrics = evaluated(
        Classification((x, y), (x, y), multilabel=True, epochs=60, lr=0.1, device="cpu"), space
    )
    assert metrics["accuracy"] > 0.95


def test_class_weights_are_those_of_torch():
    x, y = data()
    outputs = torch.randn(12, 3, generator=torch.Generator().manual_seed(2))
    training = Classification((x, y), (x, y), class_weights=[1.0, 2.0, 5.0], label_smoothing=0.1)
    expected = nn.functional.cross_entropy(
        outputs, y, weight=torch.tensor([1.0, 2.0, 5.0]), label_smoothing=0.1
    )
    torch.testing.assert_close(training.loss(outputs, (x, y)), expected)
    assert training.weight((x, y)) == 4 * (1 + 2 + 5)


def test_dense_outputs_of_a_regression():
    x = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    space = ModelSpace(lambda: nn.Conv2d(1, 1, retia.choice("kernel", [1, 3]), padding="same"))
    metrics = evaluated(Regression((x, 2 * x), (x, 2 * x), epochs=80, lr=0.1, device="cpu"), space)
    assert metrics["r2"] > 0.9


# --- language models


class Bigram(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(4, 4)
        self.scale = retia.choice("scale", [1.0, 2.0])

    def forward(self, tokens):
        return self.table(tokens) * self.scale


def test_language_modeling_reaches_the_entropy_of_its_source():
    """Half of the tokens follow from the one before, the others are one of two."""
    generator = torch.Generator().manual_seed(0)
    tokens = [0]
    for bit in torch.randint(2, (4000,), generator=generator).tolist():
        tokens.append({0: 1, 1: 2 + bit, 2: 0, 3: 0}[tokens[-1]])
    training = LanguageModeling(
        tokens[:3000],
        tokens[3000:],
        context=20,
        bytes_per_token=2.0,
        epochs=10,
        lr=0.3,
        batch_size=10,
        device="cpu",
    )
    metrics = evaluated(training, ModelSpace(Bigram))
    assert metrics["loss"] == pytest.approx(math.log(2) / 3, abs=0.02)
    assert metrics["perplexity"] == pytest.approx(math.exp(metrics["loss"]))
    assert metrics["bits_per_byte"] == pytest.approx(metrics["loss"] / math.log(2) / 2)
    assert set(metrics) == set(training.capabilities().metrics)


def test_a_causal_model_of_hugging_face():
    transformers = pytest.importorskip("transformers")

    def model():
        width = retia.choice("width", [8, 16])
        config = transformers.GPT2Config(
            vocab_size=4,
            n_positions=8,
            n_embd=width,
            n_layer=1,
            n_head=2,
            resid_pdrop=0,
            embd_pdrop=0,
            attn_pdrop=0,
        )
        return transformers.GPT2LMHeadModel(config)

    tokens = [0, 1, 2, 3] * 60
    training = LanguageModeling(tokens, tokens, context=8, epochs=8, lr=0.02, batch_size=4, device="cpu")
    assert evaluated(training, ModelSpace(model))["loss"] < 0.3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"context": 0},
            "'context' is the number of tokens of a window, a whole number of at least 1, got 0",
        ),
        (
            {"context": 10},
            "'train_tokens' needs more than 10 tokens, one window and the token after it, got 6",
        ),
        (
            {"train_tokens": torch.ones(3, 3)},
            r"'train_tokens' is a sequence of token numbers, integers of shape \(N,\), got float32 of shape \(3, 3\)",
        ),
        ({"train_tokens": "text"}, "'train_tokens' is a sequence of token numbers, got str"),
        ({"bytes_per_token": 0}, "'bytes_per_token' is the mean number of bytes of a token, above 0, got 0"),
    ],
)
def test_tokens_that_can_not_be(changed, said):
    with pytest.raises(EvaluationError, match=said):
        LanguageModeling(
            **{"train_tokens": [0, 1, 2, 3, 4, 5], "valid_tokens": [0, 1, 2, 3], "context": 2, **changed}
        )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: (
                Training(
                    (torch.ones(3, 1), torch.ones(3), torch.ones(3)), line(), loss=squared
                ).example_inputs
            ),
            r"must be a pair.*got 3 parts.*inputs=lambda",
        ),
        (
            lambda: Classification(torch.ones(3, 1), torch.ones(3, 1)),
            "The targets of a batch are the second of a pair.*got a Tensor. Say where they are",
        ),
        (lambda: Classification({"x": torch.ones(3)}, {"x": torch.ones(3)}), r"got a mapping of \['x'\]"),
        (
            lambda: Training(line(), line(), loss=squared).distilled(1, 2, 3),
            "Training does not say how a model learns from a teacher. Give it distill=",
        ),
    ],
)
def test_batches_that_do_not_say_what_is_what(make, said):
    with pytest.raises(EvaluationError, match=said):
        make()
