"""The trained supernet is opened from the study that trained it."""

import shutil

import pytest
import torch
from torch import nn

import retia
from retia.errors import SpaceError, StorageError, StudyError, TrainingDiverged
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.oneshot import DARTS, SPOS, SupernetEvaluator, load_supernet
from retia.study import Study


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [2, 4, 6])
        self.stem, self.norm = nn.Linear(3, width), nn.BatchNorm1d(width)
        self.op = retia.layer_choice("op", {"linear": lambda: nn.Linear(width, width), "skip": nn.Identity})
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.op(self.norm(self.stem(x)).relu()))


class Fused(nn.Module):
    """A fused projection: how the heads lie in it is seen when it runs."""

    def __init__(self):
        super().__init__()
        self.heads = retia.choice("heads", [1, 2])
        self.project = nn.Linear(3, self.heads * 3 * 2)
        self.head = nn.Linear(self.heads * 2, 2)

    def forward(self, x):
        query, key, value = self.project(x).reshape(len(x), 3, self.heads, 2).unbind(1)
        return self.head((query * key.tanh() + value).flatten(1))


def data(seed, n=32):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    return x, (x.sum(1) > 0).long()


def evaluator(**settings):
    return Classification(data(0), data(1), **{"epochs": 2, "batch_size": 8, "device": "cpu", **settings})


def searched(tmp_path, net=Net, method=None, **more):
    study = Study(ModelSpace(net), evaluator(), maximize="accuracy", storage=tmp_path / "a.db", **more)
    study.run(method or SPOS(), trials=4)
    return study


@pytest.mark.parametrize("net", [Net, Fused])
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("make", [SPOS, DARTS])
def test_a_loaded_supernet_scores_as_the_search_did(make, opened, net, tmp_path):
    space = ModelSpace(net)
    if make is SPOS:
        space = space.where(lambda architecture: architecture.get("width") != 4, "not 4")
    study = Study(space, evaluator(), maximize="accuracy", storage=tmp_path / "a.db")
    study.run(make(), trials=4)
    supernet = load_supernet(Study.open(tmp_path / "a.db") if opened else study, space)
    assert not supernet.training
    scored = SupernetEvaluator(supernet, evaluator())
    for trial in study.trials:
        found = scored(trial.architecture, retia.Run(supernet.space))
        assert found == pytest.approx({name: trial.metrics[name] for name in found}, abs=1e-6)
    x = data(2)[0]
    supernet.activate(study.best.architecture)
    torch.testing.assert_close(supernet(x), supernet.subnet()(x))


def test_a_study_that_no_method_prepared(tmp_path):
    study = Study(ModelSpace(Net), evaluator(epochs=1), maximize="accuracy")
    study.run(retia.Random(), trials=1)
    with pytest.raises(StudyError, match="was not prepared by a one-shot method, so it has no supernet"):
        load_supernet(study, study.space)


def test_another_space(tmp_path):
    study = searched(tmp_path)
    with pytest.raises(SpaceError, match=r"'width' is \{.*\} in the study, and None here"):
        load_supernet(study, ModelSpace(Fused))


def test_a_file_that_is_not_there(tmp_path):
    study = searched(tmp_path)
    shutil.rmtree(study.directory / "prepared")
    with pytest.raises(StudyError, match=r"no trained supernet \(looked for .*supernet.*Run the study"):
        load_supernet(study, study.space)


def test_a_folder_of_another_study(tmp_path):
    study = searched(tmp_path)
    (study.directory / "study-id").write_text("another\n")
    with pytest.raises(StudyError, match="holds the files of another study"):
        load_supernet(study, study.space)


def test_a_training_that_was_cut_off(tmp_path):
    def fail(event):
        if event.kind == "prepared" and event.step == 1:
            raise TrainingDiverged("a test")

    study = Study(ModelSpace(Net), evaluator(epochs=3), maximize="accuracy", storage=tmp_path / "a.db")
    with pytest.raises(TrainingDiverged):
        study.run(SPOS(), trials=2, observer=fail)
    with pytest.raises(StudyError, match="was cut off after epoch 1 of 3. Run the study again"):
        load_supernet(study, study.space)
    study.run(SPOS(), trials=2)
    assert load_supernet(study, study.space).space is study.space


def test_code_that_has_changed(tmp_path):
    study = searched(tmp_path)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = retia.choice("width", [2, 4, 6])
            self.stem = nn.Linear(3, width)
            ends = {name: lambda: nn.Linear(width, 2) for name in ("linear", "skip")}
            self.op = retia.layer_choice("op", ends)

        def forward(self, x):
            return self.op(self.stem(x))

    with pytest.raises(StorageError, match=r"(?s)does not fit .*The code of the model may have changed"):
        load_supernet(study, ModelSpace(Net))


class Pairs:
    """Inputs that no checkpoint holds."""

    def __init__(self, x):
        self.x = x

    def to(self, device):
        return Pairs(self.x.to(device))


def test_inputs_that_are_no_tensors_are_asked_for(tmp_path):
    class Reads(Net):
        def forward(self, pairs):
            return super().forward(pairs.x)

    batches = [(Pairs(x), y) for x, y in zip(*(part.split(8) for part in data(0)), strict=True)]
    example = Pairs(data(0)[0][:2])
    recipe = Classification(batches, batches, epochs=1, device="cpu", example=example)
    study = Study(ModelSpace(Reads), recipe, maximize="accuracy", storage=tmp_path / "a.db")
    study.run(SPOS(), trials=2)
    with pytest.raises(StudyError, match="inputs of the model are not stored .*example="):
        load_supernet(study, study.space)
    supernet = load_supernet(study, study.space, example=example)
    model = study.best.load()
    scored = SupernetEvaluator(supernet, recipe)(study.best.architecture, retia.Run(study.space))
    measured = recipe.measure(model)
    assert measured == pytest.approx({name: scored[name] for name in measured}, abs=1e-6)
