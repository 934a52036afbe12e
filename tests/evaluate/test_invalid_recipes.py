"""Errors for mistakes in a recipe name the field and the remedy."""

import re

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import retia
from retia.errors import EvaluationError
from retia.evaluate import Classification, LanguageModeling, Regression, Training
from retia.nn import ModelSpace
from retia.trial import Run

X = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(12) % 2
TOKENS = torch.arange(60) % 5


class Net(nn.Module):
    def __init__(self, outputs=2, normalized=False):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.first, self.last = nn.Linear(4, width), nn.Linear(width, outputs)
        self.norm = nn.BatchNorm1d(width) if normalized else nn.Identity()

    def forward(self, x):
        return self.last(self.norm(self.first(x)).relu())


def squared(outputs, batch):
    return (outputs[:, 0] - batch[1]).square().mean()


def trained(training, *args, **kwargs):
    space = ModelSpace(Net, *args, **kwargs)
    return training(space.default(), Run(space))


def classes(**settings):
    return Classification((X, Y), (X, Y), **{"epochs": 1, "device": "cpu", **settings})


def plain(**settings):
    return Training((X, Y), (X, Y), **{"loss": squared, "epochs": 1, "device": "cpu", **settings})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: plain(loss=lambda outputs: outputs),
            (
                r"'loss' of Training is a function \(outputs, batch\), got .*: too many positional arguments. "
                "Give loss=lambda outputs, batch: ..."
            ),
        ),
        (
            lambda: classes(judge=lambda model: {}),
            r"'judge' of Classification is a function \(model, batches\)",
        ),
        (lambda: plain(judge=3), r"'judge' of Training is a function \(model, batches\), got 3"),
        (lambda: classes(epoch=3), "Classification has no setting 'epoch'. Did you mean 'epochs'?"),
        (
            lambda: Regression((X, X), (X, X), leaning_rate=3),
            "Regression has no setting 'leaning_rate'. Take one of",
        ),
        (
            lambda: LanguageModeling(TOKENS, TOKENS, context=3, class_weight=[1]),
            "LanguageModeling has no setting 'class_weight'. Did you mean 'class_weights'?",
        ),
        (
            lambda: classes(class_weights=[1.0]),
            "'class_weights' has 1 weights, but the targets need at least 2 classes. Give a weight for each",
        ),
        (
            lambda: classes(class_dim=2),
            "'class_dim' is the dimension of the classes in the scores, 1 or -1, got 2",
        ),
        (
            lambda: Classification((X, X > 0), (X, X > 0), multilabel=True, class_dim=-1),
            "got -1 with multilabel=True, whose labels are in dimension 1",
        ),
        (
            lambda: classes(precision="bf16"),
            "'precision' of Classification must be one of 'auto', 'float32', 'bfloat16', 'float16', got 'bf16'",
        ),
        (
            lambda: Classification((X, X > 0), (X, X > 0)),
            r"got bool of shape \(12, 4\). Convert them with y.long\(\); for several labels .* multilabel=True",
        ),
        (
            lambda: Classification({"x": X, "label": Y, "labels": Y}, (X, Y)),
            r"several keys that may hold its targets: \['labels', 'label'\]. Say .*targets=.*inputs=",
        ),
        (
            lambda: Training([X, X[:5]], [X, X[:5]], loss=squared),
            r"A list of tensors is read as all the data, \[inputs, targets\]. Give batches as pairs",
        ),
        (
            lambda: Training([X, X, X], [X, X, X], loss=squared),
            "got 3 parts. .* A list of tensors is read as one such batch; give several batches as pairs",
        ),
    ],
)
def test_mistakes_found_before_training(make, said):
    with pytest.raises(EvaluationError, match=said):
        make()


def nothing(outputs, batch):
    return torch.zeros(())


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            lambda: classes(judge=lambda model, batches: {"f1": 1.0}),
            r"'judge' of Classification returns \['f1'\], but 'select' takes the best epoch by 'accuracy'. Return",
        ),
        (
            lambda: classes(judge=lambda model, batches: 1.0),
            (
                r"'judge' of Classification returns a mapping from names to numbers, got 1.0. "
                r"Return a dictionary, such as \{'accuracy': value\}"
            ),
        ),
        (
            lambda: classes(judge=lambda model, batches: {"accuracy": X}),
            "returns a mapping from names to numbers",
        ),
        (
            lambda: plain(loss=lambda outputs, batch: outputs[:, 0] - batch[1]),
            r"'loss' of Training returns a scalar tensor, got a tensor of shape \(12,\). Average over the batch",
        ),
        (
            lambda: plain(loss=lambda outputs, batch: 1.5),
            "'loss' of Training returns a scalar tensor, got 1.5",
        ),
        (
            lambda: plain(valid_loss=lambda outputs, batch: outputs),
            "'valid_loss' of Training returns a scalar",
        ),
        (
            lambda: plain(loss=lambda outputs, batch: squared(outputs.detach(), batch)),
            "'loss' of Training returns a number without a gradient: .* without detach",
        ),
        (
            lambda: classes(class_weights=[1.0, 2.0, 3.0]),
            "'class_weights' has 3 weights, but the model returns 2 scores. Give a weight for each class",
        ),
        (
            lambda: classes(optimizer=lambda parameters, lr: torch.optim.LBFGS(parameters, lr=lr)),
            "'optimizer' makes a LBFGS, whose step takes 'closure', .*Make another one, such as torch.optim.AdamW",
        ),
        (
            lambda: classes(optimizer=lambda parameters, lr: [nn.ReLU()]),
            "'optimizer' makes a ReLU, which has no step",
        ),
        (
            lambda: classes(
                schedule=lambda optimizer, steps: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
            ),
            "'schedule' makes a ReduceLROnPlateau, whose step takes 'metrics', but it is stepped after each batch",
        ),
        (
            lambda: Classification((X, Y[:, None]), (X, Y[:, None]), epochs=1, device="cpu"),
            r"got \(12, 2\) for targets of shape \(12, 1\). .*dimension of length 1: y.squeeze\(1\)",
        ),
    ],
)
def test_mistakes_found_with_the_first_batch(training, said):
    with pytest.raises(EvaluationError, match=said):
        trained(training())


def test_a_last_batch_of_one_sample_from_a_loader():
    loader = DataLoader(TensorDataset(X[:5], Y[:5]), batch_size=4)
    with pytest.raises(
        EvaluationError, match=r"can't train on a batch of one sample.*DataLoader\(..., drop_last=True\)"
    ):
        trained(Classification(loader, (X, Y), epochs=1, device="cpu"), normalized=True)


class Graph:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def to(self, device):
        return Graph(self.x.to(device), self.y.to(device))

    def __repr__(self):
        return f"Graph({self.x})"


def test_a_batch_that_costs_can_not_be_counted_on():
    batches = [Graph(X, Y)]
    for make in (
        lambda **more: Classification(batches, batches, **more),
        lambda **more: Training(batches, batches, loss=squared, **more),
    ):
        with pytest.raises(
            EvaluationError,
            match=r"The inputs of a batch of 'train' are a Graph, .*as example=\(tensor, ...\)",
        ) as caught:
            make()
        assert "tensor([" not in str(caught.value)
        assert make(example=(X,)).costs().example.sliced is False


def language_model(last):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(5, retia.choice("vocabulary", [5]))

        def forward(self, tokens):
            scores = self.table(tokens)
            return scores if last else scores.movedim(-1, 1)

    return ModelSpace(Model)


def test_a_language_model_with_its_vocabulary_in_another_dimension():
    space = language_model(last=False)
    settings = {"context": 3, "epochs": 1, "device": "cpu"}
    with pytest.raises(
        EvaluationError,
        match=r"With class_dim=-1 scores are \(B, ..., classes\) for targets \(B, ...\), got \(19, 5, 3\) for targets "
        r"of shape \(19, 3\). Return such scores, \(B, T, vocabulary\) for a language model, or set class_dim",
    ):
        LanguageModeling(TOKENS, TOKENS, **settings)(space.default(), Run(space))
    found, same = (
        LanguageModeling(TOKENS, TOKENS, **settings, **more)(here.default(), Run(here))["loss"]
        for here, more in ((space, {"class_dim": 1}), (language_model(last=True), {}))
    )
    assert found == same


def test_a_language_model_derives_further_metrics():
    training = LanguageModeling(
        TOKENS,
        TOKENS,
        context=3,
        derive=lambda found: {"double": 2 * found["perplexity"]},
        epochs=1,
        device="cpu",
    )
    space = language_model(last=True)
    metrics = training(space.default(), Run(space))
    assert metrics["double"] == 2 * metrics["perplexity"]
    assert set(metrics) == set(training.capabilities().metrics)


@pytest.mark.parametrize("size", [3, 5])
def test_weights_of_labels_at_each_position(size):
    """The weights belong to dimension 1, also where the last dimension has the same length."""
    images = torch.randn(4, 3, 2, size, generator=torch.Generator().manual_seed(0))
    labels, weights = (images > 0).float(), torch.tensor([1.0, 2.0, 5.0])
    training = Classification((images, labels), (images, labels), multilabel=True, class_weights=weights)
    scores = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    likely = scores.sigmoid()
    by_hand = -(weights.view(3, 1, 1) * labels * likely.log() + (1 - labels) * (1 - likely).log()).mean()
    torch.testing.assert_close(training.loss(scores, (images, labels)), by_hand)


def test_the_error_of_an_example_is_short():
    with pytest.raises(EvaluationError, match=re.escape("got a Graph. Give one of these.")):
        retia.cost.Example.of(Graph(X, Y))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"class_weights": [1.0, 2.0]}, "'class_weights' is a setting of the cross-entropy, but 'loss' is"),
        ({"label_smoothing": 0.1}, "'label_smoothing' is a setting of the cross-entropy, but 'loss' is"),
    ],
)
def test_settings_of_the_cross_entropy_are_refused_beside_another_loss(settings, says):
    x, y = torch.zeros(4, 3), torch.tensor([0, 1, 0, 1])
    with pytest.raises(EvaluationError, match=says):
        Classification((x, y), (x, y), loss=lambda outputs, batch: outputs.sum(), **settings)


def test_labels_have_no_class_number_to_ignore():
    x, y = torch.zeros(4, 3), torch.ones(4, 2)
    with pytest.raises(
        EvaluationError, match="'ignore_index' is a class number, and multilabel=True has labels"
    ):
        Classification((x, y), (x, y), multilabel=True, ignore_index=255)
