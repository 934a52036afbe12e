"""What the README and the examples show is run as it stands, but for fewer trials."""

import importlib.util
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import retia
from retia.testing import EVALUATOR_LAWS, ONE_SHOT_LAWS, STRATEGY_LAWS, SUPERNET_LAWS, assert_laws

ROOT = Path(__file__).parents[1]


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


README = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_search_of_the_readme(tmp_path):
    block = README[0]
    assert len([line for line in block.splitlines() if line.strip()]) < 18
    short = block.replace("trials=20", "trials=3").replace("epochs=5", "epochs=1")
    assert short != block
    (tmp_path / "readme.py").write_text(
        f"{short}\nprint(type(model).__name__, len(study.trials), study.stop_reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "readme.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.stdout.split() == ["Net", "3", "trials", "done"], done.stderr


def test_the_supernet_and_the_one_shot_search_of_the_readme(tmp_path, monkeypatch, moves_generators):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    shorter = {
        "trials=20": "trials=3",
        "trials=500": "trials=5",
        "epochs=5": "epochs=1",
        "DARTS(": "DARTS(epochs=1, ",
        "SPOS(": "SPOS(epochs=1",
        "retrain=4": "retrain=1",
    }
    found = []
    for block in README:
        for long, short in shorter.items():
            block = block.replace(long, short)
        exec(compile(block, "README.md", "exec"), names)
        found.append((type(names["model"]).__name__, len(names["study"].trials)))
    assert [model for model, _ in found] == ["Net"] * 4
    assert found[0][1] == 3
    assert found[3][1] == 5
    assert sum(p.grad is not None for p in names["supernet"].parameters()) > 0
    assert len(names["model"].body) == 2


def test_digits(capsys):
    study = loaded("digits").main(trials=3, workers=1)
    assert [trial.state for trial in study.trials if trial.state != "infeasible"] == ["completed"] * 3
    assert all(trial.metrics["params"] <= 30_000 for trial in study.pareto)
    assert all(3e-3 <= trial.architecture["lr"] <= 3e-2 for trial in study.trials)
    assert "Net, classes of the first test images: [" in capsys.readouterr().out


def test_own_training(tmp_path):
    command = [
        Path(sys.executable).with_name("retia"),
        "run",
        ROOT / "examples" / "own_training.py",
        "--trials",
        "4",
        "--quiet",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--storage", tmp_path / "s.db"], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stop_reason"] == "trials done"


def test_table(capsys):
    study = loaded("table").main()
    assert study.stop_reason == "search space exhausted"
    assert len(study.trials) == 42  # 48, without the six deep ones of width 64
    assert study.best.architecture in ({"width": 16, "depth": 12}, {"width": 32, "depth": 6})
    assert "search space exhausted: 42 of 42 architectures" in capsys.readouterr().out


def test_supernet(capsys):
    model, scores = loaded("supernet").main(steps=60, candidates=3)
    assert type(model).__name__ == "Net"
    assert all(score > 0.15 for score in scores.values())  # ten classes
    assert "43,906 weights for 252 architectures" in capsys.readouterr().out


def test_one_shot(capsys):
    study, evolved = loaded("one_shot").main(epochs=2, trials=3, retrain=1)
    assert len(study.retrained.trials) >= 1
    assert len(evolved.trials) == 15
    out = capsys.readouterr().out
    assert "one-shot search with DARTS, by accuracy" in out
    assert "by evolution: {'width': " in out


def test_fidelities(capsys):
    study, plain = loaded("fidelities").main(trials=10, epochs=4)
    promoted = [trial for trial in study.trials if trial.parent is not None and trial.fidelity is None]
    assert promoted
    assert all(study.trials[trial.parent].architecture == trial.architecture for trial in promoted)
    # The baseline is trained in full; ASHA pays one epoch for the others, and three more for those that it
    # promotes.
    assert (
        f": {4 + 1 * (len(study.trials) - 1 - len(promoted)) + 3 * len(promoted)} epochs in all"
        in capsys.readouterr().out
    )
    assert {trial.fidelity for trial in plain.trials} == {None}


def test_benchmark(capsys):
    comparison = loaded("benchmark").main(seeds=6, evaluations=60)
    assert comparison.standings["local"].final.mean < comparison.standings["random"].final.mean
    out = capsys.readouterr().out
    assert out.startswith("digits (epochs=6): regret in valid_accuracy, 6 seeds, 60 evaluations\n")
    assert "the table's best: 96.55 % with 2,986 parameters" in out


def test_unet(capsys):
    study = loaded("unet").main(trials=3, epochs=3, images=128)
    assert study.best.metrics["accuracy"] > 0.8
    assert study.best.load()(torch.zeros(1, 1, 16, 16)).shape == (1, 2, 16, 16)
    assert "of the pixels" in capsys.readouterr().out


def test_two_inputs(capsys):
    example = loaded("two_inputs")
    study = example.main(trials=3, epochs=5)
    assert (
        study.best.metrics["test_accuracy"] > 0.7
    )  # two classes, which the measurements alone do not tell so well
    few = example.made(4, 3)
    assert study.best.load()(few["measured"], few["category"]).shape == (4, 2)
    assert "valid 0." in capsys.readouterr().out


def test_a_strategy_is_added():
    example = loaded("extend_strategy")
    found = [example.main(seed).best.architecture for seed in range(5)]
    assert found == [{"x": 9, "y": 2, "z": 14}] * 5  # random search finds it once in 12 seeds
    assert_laws(STRATEGY_LAWS, example.Elite)


def test_an_elastic_layer_is_added():
    example = loaded("extend_elastic_layer")
    supernet = example.main()
    assert supernet.model.full("weight").shape == (6, 4)
    assert torch.equal(supernet.subnet().weight, supernet.model.full("weight")[[0, 1, 3, 4]])
    x = torch.ones(2, 4)
    values, gates = x @ supernet.model.full("weight")[:2].T, x @ supernet.model.full("weight")[3:5].T
    assert torch.allclose(supernet(x), values * gates.sigmoid())
    space = retia.ModelSpace(lambda: example.Gated(4, retia.choice("outputs", [2, 3, 5])))
    assert_laws(SUPERNET_LAWS, space, torch.ones(5, 4))


def test_a_one_shot_method_is_added():
    example = loaded("extend_one_shot")
    ranking = [architecture["dropout"] for architecture in example.main()]
    assert ranking == [0.0, 0.5, 0.9]  # the more dropout, the higher the held-out loss
    assert_laws(ONE_SHOT_LAWS, example.MeanLoss)


def test_an_evaluator_is_added():
    example = loaded("extend_evaluator")
    study = example.main()
    errors = {trial.architecture["act"]: trial.metrics["error"] for trial in study.trials}
    assert errors["relu"] < 1e-12  # the targets are a linear map of its outputs
    assert min(errors["identity"], errors["tanh"]) > 0.01
    x = torch.eye(3)
    space = retia.ModelSpace(example.net)
    assert_laws(EVALUATOR_LAWS, lambda: example.LeastSquares(x, x[:, :1]), space)
    identity = space.validate({"act": "identity"})
    x = torch.tensor([[1.0], [2.0], [3.0]])  # y = w x fits y = (1, 2, 2) best with w = 11 / 14
    error = example.LeastSquares(x, torch.tensor([[1.0], [2.0], [2.0]]))(identity, retia.Run(space))["error"]
    assert error == pytest.approx((9 - 121 / 14) / 3, rel=1e-5)


@pytest.mark.slow
def test_gpt(capsys, shared_data):
    text = shared_data / "tinyshakespeare" / "input.txt.gz"
    if not text.exists():
        pytest.skip(f"{text} is absent")
    example = loaded("gpt")
    study, one_shot = example.main(
        text, trials=14, epochs=9, supernet_epochs=18, scored=3, retrain=1, characters_used=6_000
    )
    own, guess = study.best.metrics["loss"], math.log(65)  # of 65 characters; squared errors lead no further

    longest = {}
    for trial in study.trials:
        longest[trial.architecture] = max(longest.get(trial.architecture, 0), trial.fidelity or 9)
    assert sum(trial.metrics["epochs_trained"] for trial in study.trials) == sum(longest.values())
    promoted = [trial for trial in study.trials if trial.fidelity != 1 and trial.number]
    assert {trial.fidelity for trial in promoted} == {3, None}
    assert all(trial.architecture == study.trials[trial.parent].architecture for trial in promoted)
    assert {trial.metrics["epochs_trained"] for trial in promoted} == {3 - 1, 9 - 3}

    assert own < guess - 0.5
    assert all(trial.metrics["loss"] < guess - 0.5 for trial in one_shot.trials)  # all by one set of weights
    assert one_shot.retrained.best.metrics["loss"] < guess - 0.5
    tokens, _ = example.characters(text)
    with torch.no_grad():
        loss = example.loss_of(study.best.load().eval(), example.windows(tokens[5_400:6_000]))
    assert float(loss) == pytest.approx(own, abs=1e-5)
    out = capsys.readouterr().out
    assert f"your own loop under ASHA: {own:.3f} nats, {own / math.log(2):.3f} bits a character" in out
    assert f"{sum(longest.values())} epochs; without run.resume they would take" in out
    assert "random search for as long" in out


@pytest.mark.filterwarnings("ignore")  # of packages that are not ours
def test_lightning_trainer(capsys, moves_generators):
    study = loaded("lightning_trainer").main(trials=2)
    assert study.best.metrics["accuracy"] > 0.5
    assert "parameters: {'width': " in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")  # of packages that are not ours
def test_hugging_face_trainer(capsys, moves_generators):
    study = loaded("hugging_face_trainer").main(trials=2)
    assert study.best.metrics["accuracy"] > 0.6  # two classes
    assert "parameters: {'width': " in capsys.readouterr().out
