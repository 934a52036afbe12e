"""Which trials keep the weights of their models, whatever evaluator trained them."""

import errno

import pytest
import torch
from torch import nn

import retia
from retia.errors import StudyError
from retia.trial import WEIGHTS

pytestmark = pytest.mark.filterwarnings("error")


def net():
    return nn.Linear(3, retia.choice("width", list(range(2, 10))))


def fill(model):
    with torch.no_grad():
        model.weight.fill_(model.out_features)
    return {"score": model.out_features}


def generate(model, run):
    assert run.directory.is_dir()
    for epoch in range(9):
        yield {"score": model.out_features * (epoch + 1)}
    fill(model)


def kept(study):
    return {trial.number for trial in study.trials if (trial.directory / WEIGHTS).exists()}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("function", [fill, lambda model, run: fill(model), retia.study.Repeated(fill, 2)])
def test_the_best_trial_loads(function, workers, tmp_path):
    study = retia.Study(retia.ModelSpace(net), function, maximize="score", storage=tmp_path / "a.db")
    study.run(retia.strategy.GridSearch(), trials=8, workers=workers)
    assert study.best.architecture["width"] == 9
    assert bool((study.best.load().weight == 9).all())
    assert kept(study) == {study.best.number}


def test_the_front_is_kept_as_it_moves_on():
    study = retia.Study(retia.ModelSpace(net), fill, maximize="score", minimize="params")
    study.run(retia.strategy.GridSearch(), trials=8)
    assert kept(study) == {trial.number for trial in study.pareto} == set(range(8))


@pytest.mark.parametrize(("policy", "numbers"), [("none", 0), ("best", 1), ("front", 1), ("all", 8)])
def test_policies(policy, numbers):
    study = retia.Study(retia.ModelSpace(net), fill, maximize="score", keep_weights=policy)
    study.run(retia.strategy.GridSearch(), trials=8)
    assert len(kept(study)) == numbers
    assert (study.best.number in kept(study)) == (policy != "none")


def test_parents_of_the_front_are_kept():
    study = retia.Study(retia.ModelSpace(net), fill, maximize="score")
    study.run(retia.RegularizedEvolution(population=2, tournament=2), trials=7)
    front = {trial.number for trial in study.pareto}
    assert kept(study) == front | ({trial.parent for trial in study.pareto} - {None})


def test_trials_that_may_be_promoted_are_kept():
    study = retia.Study(retia.ModelSpace(net), generate, maximize="score")
    with pytest.warns(RuntimeWarning, match=r"generate\(\) does not resume a training"):
        study.run(retia.strategy.ASHA(retia.Random(), fidelities=(1, 3, 9)), trials=5)
    assert study.best.number in kept(study)
    assert {trial.number for trial in study.trials if trial.fidelity == 9} & kept(study) <= {
        trial.number for trial in study.pareto
    }


def test_weights_that_the_function_saves_itself_are_left_alone():
    def fit(model, run):
        fill(model)
        retia.save_weights(model, run)
        nn.init.zeros_(model.weight)
        return 1.0

    study = retia.Study(retia.ModelSpace(net), fit, maximize="score")
    study.run(retia.Random(), trials=1)
    assert bool((study.best.load().weight == study.best.architecture["width"]).all())


def test_a_disk_that_is_full_costs_the_weights_but_not_the_metrics(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(retia.ModelSpace, "keep", full)
    study = retia.Study(retia.ModelSpace(net), fill, maximize="score")
    with pytest.warns(
        RuntimeWarning, match=r"weights of a trial can't be saved in .*No space left.*Its metrics are kept"
    ):
        study.run(retia.Random(), trials=1)
    assert study.best.metrics["score"] == study.best.architecture["width"]
    with pytest.raises(StudyError, match="has no trained weights"):
        study.best.load()


def test_a_disk_that_is_full_costs_a_training_its_weights_only(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("retia.evaluate.weights.write_weights", full)
    x, y = torch.ones(8, 1), torch.zeros(8, dtype=torch.long)
    evaluator = retia.Classification((x, y), (x, y), epochs=1, batch_size=8, device="cpu")
    space = retia.ModelSpace(lambda: nn.Linear(1, retia.choice("classes", [2, 3])))
    study = retia.Study(space, evaluator, maximize="accuracy")
    with pytest.warns(RuntimeWarning, match="can't be saved in .*No space left.*Its metrics are kept"):
        study.run(retia.Random(), trials=1)
    assert study.best.state == "completed"


def test_a_policy_that_does_not_exist():
    with pytest.raises(StudyError, match="'keep_weights' must be one of .*got 'some'"):
        retia.Study(retia.ModelSpace(net), fill, maximize="score", keep_weights="some")


class Saving:
    """An evaluator object that builds the model and saves its weights itself."""

    def __init__(self, *, fails=False):
        self.fails = fails

    def __call__(self, architecture, run):
        model = run.space.build(architecture)
        metrics = fill(model)
        retia.save_weights(model, run)
        if self.fails and model.out_features > 4:
            msg = "after the weights were saved"
            raise ValueError(msg)
        return metrics


def training():
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    return retia.Training(
        x, x, loss=lambda outputs, batch: outputs.square().mean(), epochs=1, lr=1e-3, device="cpu"
    )


@pytest.mark.parametrize(("policy", "numbers"), [("none", 0), ("best", 1), ("front", 1), ("all", 8)])
@pytest.mark.parametrize(
    ("make", "objective"),
    [(Saving, {"maximize": "score"}), (training, {"minimize": "loss"})],
    ids=["object", "training"],
)
def test_policies_hold_for_every_evaluator(make, objective, policy, numbers):
    study = retia.Study(retia.ModelSpace(net), make(), **objective, keep_weights=policy)
    study.run(retia.strategy.GridSearch(), trials=8)
    assert len(kept(study)) == numbers
    if policy != "none":
        model = study.best.load()
        assert model.out_features == study.best.architecture["width"]


def test_weights_of_failed_trials_are_removed():
    study = retia.Study(retia.ModelSpace(net), Saving(fails=True), maximize="score")
    study.run(retia.strategy.GridSearch(), trials=5)
    assert [trial.state for trial in study.trials] == ["completed"] * 3 + ["failed"] * 2
    assert kept(study) == {2}


def test_what_a_run_that_keeps_no_weights_saves(tmp_path):
    space = retia.ModelSpace(net)
    for keep in (True, False):
        run = retia.Run(space, directory=tmp_path / str(keep), keep_weights=keep)
        training()(space.default(), run)
        retia.save_weights(space.build(space.default(), seed=0), run)
        assert (run.directory / WEIGHTS).exists() == keep
