"""Training loops of users that go on where they have stopped."""

import collections
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

import retia
from retia.errors import EvaluationError
from retia.nn import seeded
from retia.study import as_evaluator
from retia.trial import Run

SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
import retia

log, kill = Path(sys.argv[1]) / "epochs", int(sys.argv[2])

class Net(nn.Linear):
    def __init__(self):
        super().__init__(3, retia.choice("width", list(range(2, 32))))

def fit(model, run):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(run.resume(model, optimizer), 9):
        loss = (model(torch.randn(4, 3)) ** 2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        with log.open("a") as file:
            print(model.out_features, epoch, float(loss.detach()), file=file)
        run.save(model, optimizer, step=epoch + 1)
        if run.resume_from and kill == epoch + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"score": model.out_features}

study = retia.Study(retia.ModelSpace(Net), fit, maximize="score", storage=Path(sys.argv[1]) / "a.db")
study.run(retia.strategy.ASHA(retia.strategy.GridSearch(), fidelities=(1, 3, 9)), trials=12)
for trial in study.trials:
    assert trial.progress[-1]["step"] == (trial.fidelity or 9), trial
"""


def ran(folder, kill):
    folder.mkdir(exist_ok=True)
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    return subprocess.run(
        [sys.executable, "-W", "error", script, folder, str(kill)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def lines(folder):
    return sorted((folder / "epochs").read_text().splitlines())


@pytest.mark.parametrize("kill", [2, 3, 5])
def test_each_epoch_is_trained_once_also_after_a_kill(tmp_path, kill):
    whole = ran(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    counts = collections.Counter(line.rsplit(" ", 1)[0] for line in lines(tmp_path / "whole"))
    assert set(counts.values()) == {1}
    assert any(key.endswith(" 8") for key in counts)
    assert ran(tmp_path / "cut", kill).returncode == -signal.SIGKILL
    rest = ran(tmp_path / "cut", 0)
    assert rest.returncode == 0, rest.stderr
    again = (
        1 if kill == 3 else 0
    )  # the state at the trial's own fidelity was written, but not yet the metrics
    assert set(lines(tmp_path / "cut")) == set(lines(tmp_path / "whole"))
    assert len(lines(tmp_path / "cut")) == len(lines(tmp_path / "whole")) + again
    assert not list((tmp_path / "cut").rglob("unfinished*"))


@pytest.fixture
def _seeded():
    with seeded(0):
        yield


def net():
    return nn.Linear(3, retia.choice("width", [2, 3]))


@pytest.mark.usefixtures("_seeded")
def test_a_trial_cut_off_after_its_last_step_is_trained_again(tmp_path):
    trained = []

    def fit(model, run):
        for epoch in range(run.resume(model), 2):
            trained.append(epoch)
            run.save(model, step=epoch + 1)
            if len(trained) == 2:
                raise KeyboardInterrupt
            yield {"score": epoch}

    run = Run(retia.ModelSpace(net), directory=tmp_path, began=1.0)
    evaluator = as_evaluator(fit)
    with pytest.raises(KeyboardInterrupt):
        evaluator(run.space.default(), run)
    with pytest.warns(RuntimeWarning, match="cut off after its last step is trained again"):
        assert evaluator(run.space.default(), replace(run))["score"] == 1
    assert trained == [0, 1, 0, 1]


@pytest.mark.usefixtures("_seeded")
def test_a_state_of_another_model_or_trial_is_not_taken(tmp_path):
    space = retia.ModelSpace(net)
    Run(space, directory=tmp_path, began=1.0).save(space.build({"width": 2}), step=3)
    assert Run(space, directory=tmp_path, began=2.0).resume(space.build({"width": 2})) == 0
    with pytest.warns(
        RuntimeWarning,
        match=r"A trial that was cut off is trained from the beginning.*'weight' has the shape \(2, 3\) there, and",
    ):
        assert Run(space, directory=tmp_path, began=1.0).resume(space.build({"width": 3})) == 0
    with pytest.warns(
        RuntimeWarning, match="A trial that was to go on is .*There is no .*Call run.save in the loop"
    ):
        assert (
            Run(space, directory=tmp_path, resume_from=tmp_path / "gone").resume(space.build({"width": 3}))
            == 0
        )
    assert Run(space, directory=tmp_path, began=1.0).resume(space.build({"width": 2})) == 3


@pytest.mark.usefixtures("_seeded")
def test_what_has_no_state_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="take objects with state_dict.*got 3"):
        Run(retia.ModelSpace(net), directory=tmp_path).save(3, step=1)
    with pytest.raises(EvaluationError, match=r"need the model, such as run\.resume\(model, optimizer\)"):
        Run(retia.ModelSpace(net), directory=tmp_path).resume()
    with pytest.raises(EvaluationError, match=r"the space \(SearchSpace\) builds none"):
        Run(retia.SearchSpace({"a": retia.Integer(1, 3)})).resume()
