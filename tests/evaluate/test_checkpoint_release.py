"""Checkpoints are removed once no trial can continue from them."""

import warnings

import pytest
import torch
from torch import nn

import retia
from retia.evaluate import Regression
from retia.nn import ModelSpace
from retia.strategy import ASHA, Random
from retia.study import Repeated, Study
from retia.trial import CHECKPOINT, Run


class Pair(nn.Sequential):
    def __init__(self):
        width = retia.integer("width", 1, 60)
        super().__init__(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))


def line(count=20):
    x = torch.linspace(-1, 1, count).unsqueeze(1)
    return x, x.sin()


def searched(tmp_path, trials, wrap=lambda evaluator: evaluator, extendable=False, **settings):
    evaluator = wrap(Regression(line(), line(), epochs=9, lr=0.05, device="cpu", **settings))
    study = Study(ModelSpace(Pair), evaluator, minimize="loss", storage=tmp_path / "study.db", seed=1)
    study.run(ASHA(Random(), fidelities=(1, 3, 9), extendable=extendable), trials=trials)
    return study


def kept(tmp_path):
    return len(list(tmp_path.rglob(CHECKPOINT)))


@pytest.mark.parametrize(
    ("wrap", "seeds"), [(lambda evaluator: evaluator, 1), (lambda evaluator: Repeated(evaluator, 2), 2)]
)
def test_at_the_end_only_what_is_due_for_promotion_is_kept(tmp_path, wrap, seeds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = searched(tmp_path, 30, wrap)
    low = [trial for trial in study.trials if trial.fidelity is not None]
    assert len(low) > 20
    assert kept(tmp_path) <= (1 if seeds == 1 else 1 + seeds) * 2
    assert study.best.load() is not None


def test_a_study_that_is_extended_trains_no_epoch_twice_unless_it_was_not_to_be(tmp_path):
    def story(study):
        return [{**trial.metrics, "train_seconds": 0} for trial in study.trials]

    def epochs(study):
        return [[int(report["step"]) for report in trial.progress] for trial in study.trials]

    def extended(name, **how):
        (tmp_path / name).mkdir()
        first = searched(tmp_path / name, 30, **how)
        return kept(tmp_path / name), first, searched(tmp_path / name, 90, **how)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        many, first, whole = extended("extendable", extendable=True)
    promoted = {trial.parent for trial in first.trials if trial.parent is not None}
    assert many == sum(trial.fidelity is not None and trial.number not in promoted for trial in first.trials)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything, first, _ = extended("kept", keep_checkpoints=True)
    assert everything == sum(trial.fidelity is not None for trial in first.trials)
    with pytest.warns(RuntimeWarning, match="trained from the beginning"):
        few, _, again = extended("final")
    assert few < many / 3
    assert story(again) == story(whole)
    assert epochs(again) != epochs(whole)


def test_releasing_what_is_not_there_is_no_error(tmp_path):
    evaluator = Regression(line(), line(), epochs=2, device="cpu")
    evaluator.release(tmp_path / "none")
    evaluator(retia.Architecture({"width": 3}), Run(ModelSpace(Pair), fidelity=1, directory=tmp_path))
    evaluator.release(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
