"""A training continued from a shorter one ends like one uninterrupted training."""

import shutil
import warnings

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

import retia
from retia.errors import StudyError
from retia.evaluate import Classification, Regression, load_checkpoint, load_optimizer, save_checkpoint
from retia.nn import ModelSpace
from retia.rng import stream_seed
from retia.strategy import Random
from retia.strategy.asha import ASHA
from retia.strategy.median_stop import MedianStop
from retia.strategy.successive_halving import SuccessiveHalving
from retia.study import Study, run_retrained
from retia.trial import CHECKPOINT, STOPPED_STEP, WEIGHTS, Run


class Conv(nn.Sequential):
    """Dropout and the order of the data make training depend on every random draw; channels-last weights on
    how they are read.
    """

    def __init__(self):
        width = retia.choice("width", [4, 6])
        super().__init__(
            *[
                nn.Conv2d(1, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3),
                nn.Dropout(0.2),
            ],
            *[nn.Flatten(), nn.Linear(width * 4, 3)],
        )


SPACE = ModelSpace(Conv)


def images(count=45, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, 4, 4, generator=generator), torch.randint(3, (count,), generator=generator)


def loaded(count=45, seed=0):
    return DataLoader(
        TensorDataset(*images(count, seed)),
        batch_size=16,
        shuffle=True,
        generator=torch.Generator().manual_seed(5),
    )


def one_cycle(optimizer, steps):
    return OneCycleLR(optimizer, max_lr=0.1, total_steps=steps + 1)


def momentum(parameters, lr):
    return SGD(parameters, lr=lr, momentum=0.9)


def evaluator(train=None, **settings):
    train = images() if train is None else train
    return Classification(
        train,
        images(30, 1),
        **{"test": images(20, 2), "epochs": 9, "batch_size": 16, "lr": 0.01, "device": "cpu", **settings},
    )


def ran(one, directory, fidelity=None, **more):
    epochs = []
    run = Run(
        SPACE,
        seed=3,
        fidelity=fidelity,
        directory=directory,
        listener=lambda metrics, step: epochs.append((step, dict(metrics))),
        **more,
    )
    metrics = dict(one(SPACE.default(), run))
    del metrics["train_seconds"]
    return metrics, epochs, load_file(directory / WEIGHTS)


SETTINGS = {
    "adamw, cosine": {},
    "sgd, warm-up, clipped": {"optimizer": "sgd", "warmup_epochs": 2, "clip_norm": 0.5},
    "constant, patience": {"schedule": "constant", "patience": 4},
    "one cycle": {"schedule": one_cycle, "optimizer": momentum},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("data", [images, loaded], ids=["tensors", "loader"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_training_in_three_parts_equals_one_training(settings, data, tmp_path):
    whole, epochs, weights = ran(evaluator(data(), **settings), tmp_path / "whole")
    reported = []
    resume = {}
    for fidelity in (1, 3, None):
        folder = tmp_path / f"to {fidelity}"
        parts, steps, part_weights = ran(evaluator(data(), **settings), folder, fidelity, **resume)
        reported += steps
        resume = {"resume_from": folder, "resumed_fidelity": fidelity}
    assert reported == epochs
    assert parts == whole
    assert weights.keys() == part_weights.keys()
    assert all(torch.equal(weights[name], part_weights[name]) for name in weights)


def test_what_patience_has_ended_stays_ended(tmp_path):
    still = {"lr": 1e-12, "patience": 2, "schedule": "constant"}
    _, first, _ = ran(evaluator(**still), tmp_path / "first", 6)
    assert len(first) < 6
    whole, _, _ = ran(evaluator(**still), tmp_path / "whole")
    again, more, _ = ran(
        evaluator(**still), tmp_path / "more", None, resume_from=tmp_path / "first", resumed_fidelity=6
    )
    assert more == []
    assert again == whole


def test_the_schedule_is_that_of_all_epochs():
    rates = []

    def watched(optimizer, steps):
        rates.append(steps)
        return one_cycle(optimizer, steps)

    one = evaluator(schedule=watched, optimizer=momentum)
    one(SPACE.default(), Run(SPACE, seed=3, fidelity=3))
    one(SPACE.default(), Run(SPACE, seed=3))
    one(SPACE.default(), Run(SPACE, seed=3, fidelity=12))
    assert rates == [27, 27, 36]  # 3 batches an epoch


def test_only_a_trial_with_a_fidelity_and_a_folder_keeps_its_state(tmp_path):
    ran(evaluator(epochs=2), tmp_path / "all")
    ran(evaluator(epochs=2), tmp_path / "part", 1)
    evaluator(epochs=2)(SPACE.default(), Run(SPACE, fidelity=1))
    assert [path.parent.name for path in tmp_path.rglob(CHECKPOINT)] == ["part"]


def test_seconds_count_from_the_first_epoch(tmp_path):
    one = evaluator()
    lower = one(SPACE.default(), Run(SPACE, fidelity=8, directory=tmp_path))
    higher = one(SPACE.default(), Run(SPACE, resume_from=tmp_path, resumed_fidelity=8))
    assert higher["train_seconds"] > lower["train_seconds"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), r"There is no '.*training.safetensors'"),
        (
            lambda path: path.write_bytes(b"nothing"),
            "should be a checkpoint of a training, and can't be read",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-4000] + bytes(4000)),
            "training.safetensors' is damaged: its checksum differs",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-40]),
            "should be a checkpoint of a training, and can't be read",
        ),
        (
            lambda path: (path.unlink(), path.mkdir()),
            "should be a checkpoint of a training, and can't be read",
        ),
    ],
    ids=["gone", "broken", "zeroed", "cut off", "a folder"],
)
def test_a_trial_without_its_parents_files_warns_and_starts_from_scratch(spoil, reason, tmp_path):
    whole, epochs, _ = ran(evaluator(), tmp_path / "whole")
    ran(evaluator(), tmp_path / "low", 3)
    spoil(tmp_path / "low" / CHECKPOINT)
    with pytest.warns(
        RuntimeWarning, match=f"(?s)after a fidelity of 3 is trained from the beginning. .*{reason}"
    ):
        anew, steps, _ = ran(
            evaluator(), tmp_path / "high", None, resume_from=tmp_path / "low", resumed_fidelity=3.0
        )
    assert steps == epochs
    assert anew == whole


def test_a_state_of_other_settings_is_not_gone_on_from(tmp_path):
    ran(evaluator(lr=0.02), tmp_path / "low", 3)
    with pytest.warns(RuntimeWarning, match="its training lr is 0.02 and not 0.01"):
        _, steps, _ = ran(
            evaluator(), tmp_path / "high", 4, resume_from=tmp_path / "low", resumed_fidelity=3.0
        )
    assert len(steps) == 4


def test_the_full_fidelity_is_the_number_of_epochs():
    assert evaluator(epochs=7).capabilities().full_fidelity == 7
    assert evaluator(epochs=retia.Integer(1, 7)).capabilities().full_fidelity is None


@pytest.mark.parametrize(
    "make",
    [
        lambda weights: AdamW(weights, lr=0.1, fused=True),
        lambda weights: SGD(weights, lr=0.1, momentum=0.9, fused=True),
    ],
)
def test_the_moments_of_an_optimizer_lie_as_its_weights_do(make, tmp_path):
    generator = torch.Generator().manual_seed(0)
    start, *gradients = (
        torch.randn(4, 3, 3, 3, generator=generator).contiguous(memory_format=torch.channels_last)
        for _ in range(5)
    )

    def stepped(parameter, optimizer, some):
        for gradient in some:
            parameter.grad = gradient.clone()
            optimizer.step()

    whole = nn.Parameter(start.clone())
    stepped(whole, make([whole]), gradients)
    parts = nn.Parameter(start.clone())
    first = make([parts])
    stepped(parts, first, gradients[:2])
    save_checkpoint(tmp_path / "file", first.state_dict(), {})
    second = make([parts])
    load_optimizer(second, load_checkpoint(tmp_path / "file", {}))
    stepped(parts, second, gradients[2:])
    assert torch.equal(parts, whole)


# --- in a study


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = retia.choice("scale", [0.5 + 0.25 * i for i in range(30)])
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.scale * x * self.weight


def line():
    x = torch.linspace(-1, 1, 32).unsqueeze(1)
    return x, 2 * x


def searched(strategy, tmp_path, trials=40, workers=1, **settings):
    regression = Regression(line(), line(), epochs=9, lr=0.05, device="cpu", **settings)
    study = Study(ModelSpace(Pair), regression, minimize="loss", storage=tmp_path / "study.db", seed=1)
    study.run(strategy, trials=trials, workers=workers)
    return study


def trained(study):
    """Return the epochs that each trial has trained itself."""
    return [[int(report["step"]) for report in trial.progress] for trial in study.trials]


@pytest.mark.parametrize("make", [ASHA, SuccessiveHalving])
def test_no_epoch_is_trained_twice(make, tmp_path):
    study = searched(make(Random(), fidelities=(1, 3, 9)), tmp_path)
    ends = {1: [1], 3: [2, 3], None: [4, 5, 6, 7, 8, 9]}
    assert trained(study)[0] == list(range(1, 10))
    assert trained(study)[1:] == [ends[trial.fidelity] for trial in study.trials[1:]]
    reached = {}
    for trial in study.trials:
        reached[trial.architecture] = max(reached.get(trial.architecture, 0), trial.fidelity or 9)
    assert sum(map(len, trained(study))) == sum(reached.values())
    assert {trial.fidelity for trial in study.trials} == {1, 3, None}


def test_a_promoted_trial_scores_as_if_it_had_been_trained_in_one_go(tmp_path):
    study = searched(SuccessiveHalving(Random(), fidelities=(3, 9)), tmp_path, trials=6)
    promoted = next(trial for trial in study.trials if trial.parent is not None)
    low = study.history[promoted.parent]
    assert (low.architecture, low.fidelity, promoted.fidelity) == (promoted.architecture, 3, None)
    whole = study.spec.judge(
        promoted.architecture, Run(study.space, seed=stream_seed(1, "train", low.number))
    )
    assert {**whole, "train_seconds": 0} == {**promoted.metrics, "train_seconds": 0}
    assert study.best.fidelity is None


def test_a_study_resumed_half_way_has_the_same_trials(tmp_path):
    def told(study):
        return [
            (t.number, t.architecture, t.fidelity, t.parent, {**t.metrics, "train_seconds": 0})
            for t in study.trials
        ]

    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = searched(ASHA(Random(), fidelities=(1, 3, 9)), tmp_path / "whole", trials=24)
    for trials in (5, 11, 12, 24):
        parts = searched(ASHA(Random(), fidelities=(1, 3, 9)), tmp_path / "parts", trials=trials)
    assert told(parts) == told(whole)
    assert trained(parts) == trained(whole)


def test_a_study_continues_without_its_files(tmp_path):
    searched(SuccessiveHalving(Random(), fidelities=(1, 9), eta=3), tmp_path, trials=4)
    shutil.rmtree(tmp_path / "study.db.files")
    with pytest.warns(RuntimeWarning, match="trained from the beginning"):
        study = searched(SuccessiveHalving(Random(), fidelities=(1, 9), eta=3), tmp_path, trials=5)
    assert trained(study)[4] == list(range(1, 10))


def test_the_winners_are_listed_at_full_fidelity(tmp_path):
    study = searched(ASHA(Random(), fidelities=(1, 3, 9)), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        retrained = run_retrained(study, 2)
    assert {trial.architecture for trial in retrained.trials} == {
        study.baseline,
        *(trial.architecture for trial in study.top(2)),
    }
    assert len({trial.architecture for trial in study.top(20)}) == len(study.top(20))


def test_a_stopped_trial_has_what_it_reported_and_no_weights(tmp_path):
    study = searched(MedianStop(Random(), min_trials=2), tmp_path, trials=20)
    stopped = next(trial for trial in study.trials if STOPPED_STEP in trial.metrics)
    assert stopped.metrics[STOPPED_STEP] == len(stopped.progress) < 9
    assert stopped.metrics["loss"] == stopped.progress[-1]["loss"]
    assert {"mae", "r2", "params", "flops", "macs"} <= set(stopped.metrics)
    with pytest.raises(StudyError, match="has no trained weights"):
        stopped.load()
