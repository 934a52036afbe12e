"""Weights of what a supernet scored are kept with the trials."""

import pytest
import torch
from torch import nn

import retia
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.oneshot import DARTS, SPOS
from retia.trial import WEIGHTS


class Net(nn.Module):
    """Batch norm of several widths: each architecture has statistics of its own."""

    def __init__(self):
        super().__init__()
        width = retia.choice("width", [2, 4, 6])
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.op = retia.layer_choice(
            "op", {"conv": lambda: nn.Conv2d(width, width, 3, padding=1), "skip": nn.Identity}
        )
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.op(self.norm(self.stem(x)).relu()).mean((2, 3)))


def images(seed, n=48):
    x = torch.randn(n, 1, 5, 5, generator=torch.Generator().manual_seed(seed)) * 3 + 1
    return x, (x.mean((1, 2, 3)) > 1).long()


def evaluator(**settings):
    return Classification(images(0), images(1), epochs=2, batch_size=16, lr=0.05, device="cpu", **settings)


def kept(study):
    return {trial.number for trial in study.trials if (trial.directory / WEIGHTS).exists()}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_best_subnet_loads_and_returns_what_was_scored(workers, tmp_path):
    recipe = evaluator()
    study = retia.Study(ModelSpace(Net), recipe, maximize="accuracy", storage=tmp_path / "a.db")
    study.run(SPOS(), trials=6, workers=workers)
    assert kept(study) == {study.best.number}
    model = study.best.load()
    assert type(model) is Net
    assert not model.training
    again = recipe.measure(model)
    assert again == pytest.approx({name: study.best.metrics[name] for name in again}, abs=1e-6)


def test_each_subnet_has_the_batch_norm_statistics_of_its_own_architecture(tmp_path):
    recipe = evaluator()
    scored = SPOS().train(ModelSpace(Net), recipe)
    study = retia.Study(
        ModelSpace(Net), scored, maximize="accuracy", storage=tmp_path / "a.db", keep_weights="all"
    )
    study.run(retia.strategy.GridSearch(), trials=6)
    x = images(2)[0]
    for trial in study.trials:
        model = trial.load()
        scored(trial.architecture, retia.Run(study.space))  # recalibrates
        torch.testing.assert_close(model(x), scored.supernet(x), rtol=0, atol=1e-6)
        measured = recipe.measure(model)
        assert measured == pytest.approx({name: trial.metrics[name] for name in measured}, abs=1e-6)
    means = {tuple(trial.load().norm.running_mean.tolist()) for trial in study.trials}
    assert len(means) == 3


def test_no_weights_are_kept_if_the_study_keeps_no_weights():
    study = retia.Study(ModelSpace(Net), evaluator(), maximize="accuracy", keep_weights="none")
    study.run(SPOS(), trials=3)
    assert kept(study) == set()


@pytest.mark.parametrize("given", [False, True])
def test_a_retrained_model_loads_also_from_a_study_that_is_opened_again(given, tmp_path):
    def study():
        return retia.Study(
            ModelSpace(Net),
            evaluator(),
            maximize="accuracy",
            storage=tmp_path / "a.db",
            directory=tmp_path / "files" if given else None,
        )

    first = study()
    first.run(DARTS(), trials=4)
    retia.study.run_retrained(first, 2)
    measured = {}
    for one in (first, study()):
        best = one.retrained.best
        model = best.load()
        again = evaluator().measure(model)
        assert again == pytest.approx({name: best.metrics[name] for name in again}, abs=1e-6)
        measured[one] = again
    assert measured.popitem()[1] == measured.popitem()[1]
    scratch, shared = (one.best.load().stem.weight for one in (first, first.retrained))
    assert scratch.shape != shared.shape or not torch.equal(scratch, shared)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [2, 4])
        self.embedding, self.head = nn.Embedding(5, width), nn.Linear(width, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.embedding(tokens))


def test_weights_that_a_model_ties_are_tied_again(tmp_path):
    tokens = torch.arange(60) % 5
    recipe = retia.LanguageModeling(tokens, tokens, context=4, epochs=1, batch_size=4, device="cpu")
    study = retia.Study(ModelSpace(Tied), recipe, minimize="loss", storage=tmp_path / "a.db")
    study.run(SPOS(), trials=2)
    model = study.best.load()
    assert model.head.weight is model.embedding.weight
    assert recipe.measure(model)["loss"] == pytest.approx(study.best.metrics["loss"], abs=1e-6)
