"""An interrupted training resumes from its last epoch and ends with the same result."""

import os
import shutil
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import retia
from retia.evaluate import Classification
from retia.evaluate.trainer import Trainer
from retia.nn import ModelSpace, resumption
from retia.study import Study
from retia.trial import CHECKPOINT, WEIGHTS, Run, TrialStopped


class Net(nn.Sequential):
    def __init__(self):
        width = retia.choice("width", [4, 6, 8, 10])
        super().__init__(
            *[
                nn.Conv2d(1, width, 3),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Dropout(0.2),
                nn.Flatten(),
                nn.Linear(width * 4, 3),
            ]
        )


SPACE = ModelSpace(Net)


def images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, 4, 4, generator=generator), torch.randint(3, (count,), generator=generator)


def loaded():
    return DataLoader(
        TensorDataset(*images(45, 0)), batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(5)
    )


def evaluator(train=None, **settings):
    train = images(45, 0) if train is None else train
    return Classification(
        train,
        images(30, 1),
        **{"test": images(20, 2), "epochs": 6, "batch_size": 16, "lr": 0.01, "device": "cpu", **settings},
    )


class Killed(BaseException):
    """Ends an evaluation as abruptly as can be had within a process."""


def ran(one, directory, kill_at=None, *, began=7.25, seed=3, **more):
    """Return the metrics, what was reported and the weights; none if it was cut off in an epoch."""
    told = []

    def listen(metrics, step):
        if step == kill_at:
            raise Killed
        told.append((step, dict(metrics)))

    try:
        metrics = dict(
            one(
                SPACE.default(),
                Run(SPACE, seed=seed, directory=directory, listener=listen, began=began, **more),
            )
        )
    except Killed:
        return None
    assert metrics.pop("train_seconds") > 0
    return metrics, told, load_file(directory / WEIGHTS)


def same(one, other):
    return one[:2] == other[:2] and all(
        torch.equal(one[2][name], other[2][name]) for name in (*one[2], *other[2])
    )


@pytest.fixture
def trained(monkeypatch):
    """The epochs that were trained; a state is kept after each."""
    epochs, train = [], Trainer._epoch
    monkeypatch.setattr(resumption, "_SPARING", 0)
    monkeypatch.setattr(
        Trainer, "_epoch", lambda self, steps, epoch: (epochs.append(epoch), train(self, steps, epoch))[1]
    )
    return epochs


@pytest.mark.parametrize("fidelity", [None, 5])
@pytest.mark.parametrize(
    ("data", "settings"),
    [(None, {}), (loaded, {}), (None, {"optimizer": "sgd", "warmup_epochs": 2, "patience": 3})],
)
def test_an_interrupted_training_resumes_after_its_last_epoch(data, settings, fidelity, tmp_path, trained):
    def one():
        return evaluator(None if data is None else data(), **settings)

    whole = ran(one(), tmp_path / "whole", fidelity=fidelity)
    ended = trained[-1]
    trained.clear()
    assert ran(one(), tmp_path / "parts", kill_at=2, fidelity=fidelity) is None
    assert ran(one(), tmp_path / "parts", kill_at=4, fidelity=fidelity) is None
    assert same(ran(one(), tmp_path / "parts", fidelity=fidelity), whole)
    assert trained == [1, 2, 2, 3, 4, *range(4, ended + 1)]
    kept = {WEIGHTS, CHECKPOINT} if fidelity else {WEIGHTS}
    assert {path.name for path in (tmp_path / "parts").iterdir()} == kept


def test_a_promoted_trial_resumes_its_own_checkpoint_first(tmp_path, trained):
    whole = ran(evaluator(), tmp_path / "whole")
    ran(evaluator(), tmp_path / "low", fidelity=2)
    promoted = {"resume_from": tmp_path / "low", "resumed_fidelity": 2}
    trained.clear()
    assert ran(evaluator(), tmp_path / "high", kill_at=5, **promoted) is None
    shutil.rmtree(tmp_path / "low")
    metrics, told, weights = ran(evaluator(), tmp_path / "high", **promoted)
    assert trained == [3, 4, 5, 5, 6]
    assert same((metrics, told, weights), (whole[0], whole[1][2:], whole[2]))


@pytest.mark.parametrize("other", [{"began": 8.0}, {"began": None}])
def test_what_another_trial_has_left_is_not_gone_on_from(other, tmp_path, trained):
    ran(evaluator(), tmp_path, kill_at=5)
    trained.clear()
    ran(evaluator(), tmp_path, **other)
    assert trained == [1, 2, 3, 4, 5, 6]
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]


def test_other_settings_warn_and_start_from_scratch(tmp_path, trained):
    ran(evaluator(), tmp_path, kill_at=5)
    trained.clear()
    with pytest.warns(
        RuntimeWarning,
        match=r"A trial that was cut off is trained from the beginning\. .*its training lr is 0\.01 and not 0\.5",
    ):
        ran(evaluator(lr=0.5), tmp_path)
    assert trained == [1, 2, 3, 4, 5, 6]


def test_a_model_that_has_changed_is_trained_from_the_beginning(tmp_path, trained):
    class Deeper(Net):
        def __init__(self):
            super().__init__()
            self.append(nn.Linear(3, 3))

    ran(evaluator(), tmp_path, kill_at=5)
    trained.clear()
    with pytest.warns(
        RuntimeWarning, match=r"does not fit: '6\.weight' has the shape None there, and \(3, 3\) in the model"
    ):
        evaluator()(SPACE.default(), Run(ModelSpace(Deeper), seed=3, directory=tmp_path, began=7.25))
    assert trained == [1, 2, 3, 4, 5, 6]


def test_states_are_kept_sparingly(tmp_path, monkeypatch):
    """After the first epoch, then only once twenty times as long has passed as keeping took."""
    saved, now = [], iter(range(0, 10**6, 10))  # each look at the clock is ten seconds after the last
    monkeypatch.setattr(
        resumption, "save_checkpoint", lambda path, state, identity: saved.append(state["epoch"])
    )
    monkeypatch.setattr(resumption.time, "perf_counter", lambda: next(now))
    ran(evaluator(epochs=100), tmp_path)
    assert saved[0] == 1
    assert {after - before for before, after in pairwise(saved)} == {
        20 * 20 // 10
    }  # keeping took two looks at the clock, an epoch one


def test_a_stopped_trial_leaves_nothing_unfinished(tmp_path, trained):
    def stop(metrics, step):
        if step == 3:
            raise TrialStopped

    with pytest.raises(TrialStopped):
        evaluator()(SPACE.default(), Run(SPACE, directory=tmp_path, began=1.0, listener=stop))
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
    import os, signal, sys
    from pathlib import Path
    from retia.strategy import ASHA, Random
    from test_interrupted_training import SPACE, Study, Trainer, evaluator, resumption

    resumption._SPARING = 0
    storage, kill_at = sys.argv[1], int(sys.argv[2])
    train, count = Trainer._epoch, 0

    def counted(*args):
        global count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return train(*args)

    Trainer._epoch = counted
    study = Study(SPACE, evaluator(), maximize="accuracy", storage=storage)
    study.run(ASHA(Random(), fidelities=(2, 4, 6), eta=2), trials=8)
    print(count)
"""


def test_a_killed_study_trains_no_epoch_twice_but_the_one_it_died_in(tmp_path):
    def start(name, kill_at):
        (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
        there = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / name), str(kill_at)]
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": there}, capture_output=True, text=True, check=False
        )

    def told(name):
        study = Study.open(tmp_path / name)
        return [
            (t.architecture, t.fidelity, t.parent, {**t.metrics, "train_seconds": 0}, t.progress)
            for t in study.trials
        ]

    whole = int(start("whole.db", 0).stdout)
    assert start("killed.db", 6 + 2).returncode == -9  # in the second epoch of trial 1, of a low fidelity
    assert start("killed.db", 7).returncode == -9
    assert int(start("killed.db", 0).stdout) == whole - (6 + 1) - 6
    assert told("killed.db") == told("whole.db")
