"""Evaluating with several seeds."""

import dataclasses
import json
import math
import pickle
import statistics

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import retia
from retia.errors import EvaluationError
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.rng import stream_seed
from retia.space import Architecture, Categorical, Integer, SearchSpace
from retia.strategy import GridSearch, Random
from retia.study import Repeated, Study, architecture_evaluator
from retia.trial import WEIGHTS, Run

PLAIN = SearchSpace({"width": Categorical((4, 8))})
WIDE = Architecture({"width": 8})
SEEDS = [stream_seed(5, "repeat", index) for index in range(3)]


@dataclasses.dataclass(frozen=True)
class Seeded:
    """Returns what it is told, by turns of the seeds of a trial whose own is 5; writes and reports its
    turn.
    """

    values: tuple = (3.0, 1.0, 2.0)
    name: str = "accuracy"

    def __call__(self, architecture, run):
        turn = SEEDS.index(run.seed)
        run.report({self.name: 10.0 * turn}, 1)
        if run.directory is not None:
            run.directory.mkdir(parents=True, exist_ok=True)
            (run.directory / "turn.txt").write_text(
                f"{turn} from {run.resume_from and (run.resume_from / 'turn.txt').read_text()}"
            )
        return {"params": 7.0, self.name: self.values[turn], "train_seconds": float(turn)}


class Net(nn.Sequential):
    def __init__(self):
        width = retia.choice("width", [4, 8])
        super().__init__(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 2))


def points():
    x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return x, (x.prod(1) > 0).long()


SPACE = ModelSpace(Net)


def evaluated(evaluator, space=PLAIN, **run):
    return evaluator(WIDE, Run(space, seed=5, **run))


# --- means and spreads


def test_mean_and_spread_of_every_metric_but_costs():
    metrics = evaluated(Repeated(Seeded()))
    assert metrics == {
        "params": 7.0,
        "accuracy": 2.0,
        "train_seconds": 1.0,
        "accuracy_sd": 1.0,
        "train_seconds_sd": 1.0,
    }


def test_as_many_seeds_as_asked_for():
    assert evaluated(Repeated(Seeded(), 2)) == pytest.approx(
        {
            "params": 7.0,
            "accuracy": 2.0,
            "train_seconds": 0.5,
            "accuracy_sd": math.sqrt(2),
            "train_seconds_sd": math.sqrt(0.5),
        }
    )


def test_training_with_each_seed_is_as_training_alone():
    inner = Classification(points(), points(), epochs=2, batch_size=16, device="cpu")
    metrics = evaluated(Repeated(inner), SPACE)
    alone = [inner(WIDE, Run(SPACE, seed=seed))["loss"] for seed in SEEDS]
    assert len(set(alone)) == 3
    assert metrics["loss"] == pytest.approx(statistics.fmean(alone))
    assert metrics["loss_sd"] == pytest.approx(statistics.stdev(alone))


def test_a_function_of_the_model_gets_differently_seeded_models():
    seen = []

    def weight(model):
        seen.append(model[0].weight[0, 0].item())
        return seen[-1]

    metrics = evaluated(Repeated(weight), SPACE)
    assert metrics["score"] == pytest.approx(statistics.fmean(seen))
    assert metrics["score_sd"] > 0
    assert seen == [SPACE.build(WIDE, seed=seed)[0].weight[0, 0].item() for seed in SEEDS]
    assert {"params", "train_seconds"} < metrics.keys()


def test_the_first_evaluations_progress_is_the_trials():
    heard = []
    evaluated(Repeated(Seeded()), listener=lambda metrics, step: heard.append((metrics, step)))
    assert heard == [({"accuracy": 0.0}, 1)]


# --- files


@pytest.mark.parametrize(
    ("evaluator", "by", "turn"),
    [
        (Seeded((3.0, 1.0, 2.0)), None, 2),
        (Seeded((1.0, 2.0, 3.0)), None, 1),
        (Seeded((3.0, 1.0, 2.0)), "train_seconds", 1),
        (Seeded((1.0, 1.0, 1.0)), None, 1),  # of equal ones the one in the middle
    ],
)
def test_the_median_evaluations_files_are_kept(tmp_path, evaluator, by, turn):
    evaluated(Repeated(evaluator, by=by), directory=tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["turn.txt"]
    assert (tmp_path / "turn.txt").read_text().startswith(str(turn))


def test_the_median_evaluations_weights_are_the_trials(tmp_path):
    inner = Classification(points(), points(), epochs=2, batch_size=16, device="cpu")
    evaluated(Repeated(inner, by="loss"), SPACE, directory=tmp_path / "repeated")
    losses = [inner(WIDE, Run(SPACE, seed=seed, directory=tmp_path / str(seed)))["loss"] for seed in SEEDS]
    median = SEEDS[losses.index(statistics.median(losses))]
    kept, alone = (load_file(tmp_path / name / WEIGHTS) for name in ("repeated", str(median)))
    assert all(torch.equal(kept[name], alone[name]) for name in kept)


def test_nothing_is_kept_where_nothing_was():
    assert evaluated(Repeated(Seeded()), directory=None)["accuracy"] == 2.0


def test_each_evaluation_goes_on_from_its_own(tmp_path):
    evaluated(Repeated(Seeded()), directory=tmp_path / "short", fidelity=1.0)
    evaluated(
        Repeated(Seeded()),
        directory=tmp_path / "long",
        fidelity=2.0,
        resume_from=tmp_path / "short",
        resumed_fidelity=1.0,
    )
    assert (tmp_path / "long" / "repeats" / "1" / "turn.txt").read_text() == "1 from 1 from None"
    assert (tmp_path / "long" / "turn.txt").read_text() == "2 from 2 from None"


# --- abilities


def test_it_has_the_abilities_that_the_evaluator_has():
    inner = Classification(points(), points(), epochs=Integer(1, 3), device="cpu")
    repeated = Repeated(inner)
    abilities, theirs = repeated.capabilities(), inner.capabilities()
    assert abilities.parameters == theirs.parameters != {}
    assert abilities.costs == theirs.costs
    assert abilities.metrics == (
        *("accuracy", "loss", "train_seconds", "params", "flops", "macs"),
        *("accuracy_sd", "loss_sd", "train_seconds_sd"),
    )
    assert set(evaluated(Repeated(dataclasses.replace(inner, epochs=1)), SPACE)) == set(abilities.metrics)
    copy = pickle.loads(pickle.dumps(Repeated(Seeded())))
    assert evaluated(copy) == evaluated(Repeated(Seeded()))


@pytest.mark.parametrize(
    "evaluator", [Seeded(), lambda model: 0.0, architecture_evaluator(lambda architecture: 0.0)]
)
def test_it_has_no_ability_that_the_evaluator_has_not(evaluator):
    repeated = Repeated(evaluator)
    abilities = repeated.capabilities()
    assert (abilities.costs, abilities.metrics, abilities.parameters) == (None, None, {})
    assert abilities.settings()["type"] == "Repeated"


def test_settings_as_json():
    described = Repeated(Seeded(), 4).capabilities().settings()
    assert json.loads(json.dumps(described)) == described
    assert described["seeds"] == 4
    assert described["evaluator"]["name"] == "accuracy"
    assert described != Repeated(Seeded(name="loss"), 4).capabilities().settings()


# --- what goes wrong


@pytest.mark.parametrize("seeds", [1, 0, 2.5, True])
def test_a_single_evaluation_has_no_spread(seeds):
    with pytest.raises(
        EvaluationError,
        match=f"'seeds' is how often Repeated evaluates, a whole number of at least 2, got {seeds}",
    ):
        Repeated(Seeded(), seeds)


def test_what_is_no_evaluator():
    with pytest.raises(EvaluationError, match="3 is not an evaluator"):
        Repeated(3)


def test_metrics_that_change():
    @architecture_evaluator
    def changing(architecture, run):
        return {"a": 1.0, "b": 1.0} if run.seed == SEEDS[0] else {"a": 1.0}

    with pytest.raises(
        EvaluationError, match=r"Every evaluation returns the same metrics, got \['a', 'b'\] and then \['a'\]"
    ):
        evaluated(Repeated(changing))


def test_a_metric_with_the_name_of_a_spread():
    with pytest.raises(EvaluationError, match=r"Repeated supplies \['accuracy_sd'\] itself, as spreads"):
        evaluated(Repeated(Repeated(architecture_evaluator(lambda architecture: {"accuracy": 1.0}))))


def test_a_median_by_an_unknown_metric(tmp_path):
    with pytest.raises(
        EvaluationError,
        match=r"'by' of Repeated names one of the evaluator's metrics, \['accuracy', .*got 'loss'",
    ):
        evaluated(Repeated(Seeded(), by="loss"), directory=tmp_path)


# --- in a study


def test_a_study_of_means_resumes(tmp_path):
    inner = Classification(points(), points(), epochs=1, batch_size=16, device="cpu")
    search = {
        "maximize": "accuracy",
        "minimize": "params",
        "storage": tmp_path / "study.db",
        "directory": tmp_path / "files",
    }
    study = Study(SPACE, Repeated(inner, 2), **search)
    study.run(GridSearch(), trials=2)
    assert all(trial.state == "completed" and trial.metrics["accuracy_sd"] >= 0 for trial in study.trials)
    assert (tmp_path / "files").exists()
    again = Study(SPACE, Repeated(inner, 2), **search)
    assert [trial.metrics for trial in again.trials] == [trial.metrics for trial in study.trials]
    assert again.trials[0].load()(points()[0]).shape == (60, 2)


def test_a_bare_number_takes_the_name_of_the_objective():
    study = Study(SPACE, Repeated(lambda model: 1.0, 2), maximize="accuracy")
    study.run(Random(), trials=1)
    assert study.trials[0].metrics["accuracy"] == 1.0
