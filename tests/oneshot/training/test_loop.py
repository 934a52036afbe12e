"""The training of a supernet: it goes on to the same losses, alone or shared, and says what is wrong before
it starts.
"""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import retia
from retia.errors import EvaluationError, SpaceError, StorageError, StudyError, TrainingDiverged
from retia.evaluate import Classification, Training
from retia.nn import ModelSpace
from retia.oneshot import (
    DARTS,
    ENAS,
    GDAS,
    SPOS,
    DrNAS,
    FairNAS,
    FBNet,
    OnceForAll,
    Penalty,
    ProxylessNAS,
    Sandwich,
)
from retia.rng import stream_seed
from retia.strategy import RegularizedEvolution
from retia.study import Study, run_retrained
from retia.supernet import Supernet
from retia.trial import Capabilities, Run


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.stem = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width)
        self.act = retia.layer_choice("act", {"relu": nn.ReLU, "tanh": nn.Tanh})
        self.body = retia.repeat("body", lambda i: nn.Linear(width, width), (0, 2))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(self.act(self.norm(self.stem(x)))))


def data(n=64, seed=0):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] + x[:, 1] > 0).long()


def evaluator(**more):
    return Classification(
        data(), data(seed=1), **{"epochs": 4, "batch_size": 16, "lr": 0.05, "optimizer": "sgd", **more}
    )


def trained(method, evaluator=None, **more):
    """Train, and return what was told of each epoch with the supernet's weights."""
    told = []
    run = Run(
        more.pop("space", None) or ModelSpace(Net),
        seed=3,
        listener=lambda metrics, step: told.append(metrics),
        **more,
    )
    scored = method.prepare(evaluator or globals()["evaluator"](), run)
    return told, scored


class TwoOptimizers:
    """Trains weights and biases by an optimizer each, otherwise as `evaluator()`."""

    def capabilities(self):
        return Capabilities(training=self.training)

    def training(self):
        def optimizers(parameters, lr):
            weights = list(parameters)
            kinds = [one for one in weights if one.ndim > 1], [one for one in weights if one.ndim <= 1]
            settings = {"lr": lr, "momentum": 0.9, "nesterov": True, "fused": False}
            return [
                torch.optim.SGD(kind, weight_decay=decay, **settings)
                for kind, decay in zip(kinds, (1e-2, 0.0), strict=True)
            ]

        return dataclasses.replace(evaluator(), optimizer=optimizers)


def test_several_optimizers_step_together_and_go_on_together(tmp_path):
    whole, _ = trained(SPOS(epochs=4))
    told, _ = trained(SPOS(epochs=4), TwoOptimizers())
    assert [epoch["supernet_loss"] for epoch in told] == pytest.approx(
        [epoch["supernet_loss"] for epoch in whole], rel=1e-5
    )

    def stop(metrics, step):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SPOS(epochs=4).prepare(
            TwoOptimizers(), Run(ModelSpace(Net), seed=3, directory=tmp_path, listener=stop)
        )
    rest, _ = trained(SPOS(epochs=4), TwoOptimizers(), directory=tmp_path)
    assert rest == told[2:]


def test_a_supernet_learns_and_any_strategy_searches_it():
    space, method = ModelSpace(Net), SPOS(epochs=30)
    scored = method.train(space, evaluator())
    study = Study(space, scored, maximize="accuracy", minimize="params")
    study.run(RegularizedEvolution(5, 2), trials=12)
    assert study.best.metrics["accuracy"] > 0.8
    assert len({trial.metrics["params"] for trial in study.trials}) > 1


def test_the_same_seed_trains_the_same():
    first, second = trained(SPOS()), trained(SPOS())
    assert first[0] == second[0]
    assert len(first[0]) == 4
    for a, b in zip(first[1].supernet.parameters(), second[1].supernet.parameters(), strict=True):
        assert torch.equal(a, b)


def test_an_interrupted_training_goes_on_to_the_same_losses(tmp_path):
    whole, _ = trained(SPOS(), directory=tmp_path / "whole")
    told = []

    def stop(metrics, step):
        told.append(metrics)
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SPOS().prepare(evaluator(), Run(ModelSpace(Net), seed=3, directory=tmp_path / "part", listener=stop))
    again, scored = trained(SPOS(), directory=tmp_path / "part")
    assert told + again == whole
    finished, same = trained(SPOS(), directory=tmp_path / "part")
    assert finished == []
    assert all(
        torch.equal(a, b)
        for a, b in zip(scored.supernet.parameters(), same.supernet.parameters(), strict=True)
    )


def test_adam_and_accumulation_go_on_too(tmp_path):
    settings = {"optimizer": "adamw", "schedule": "cosine", "clip_norm": 1.0}
    method = SPOS(batches_per_step=2)
    whole, _ = trained(method, evaluator(**settings))

    def stop(metrics, step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        method.prepare(evaluator(**settings), Run(ModelSpace(Net), seed=3, directory=tmp_path, listener=stop))
    again, _ = trained(method, evaluator(**settings), directory=tmp_path)
    assert again == whole[1:]


SCRIPT = """
import json, sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {folder!r})
from test_loop import *
found = []
for told, scored in ({runs}):
    sums = [float(p.detach().double().sum()) for p in scored.supernet.parameters()]
    found.append([[metrics["supernet_loss"] for metrics in told], sums, summary(told)])
if torch.distributed.get_rank() == 0:
    print(json.dumps(found))
torch.distributed.destroy_process_group()
"""


def summary(told):
    """Return what was reported of choices in the last epoch."""
    return {name: told[-1][name] for name in ("search_loss", "entropy") if name in told[-1]}


def same_in_two_processes(folder, runs):
    """Run expressions that give what was reported and the supernet in two processes, and compare."""
    script = SCRIPT.format(folder=os.path.dirname(__file__), runs=", ".join(runs) + ",")
    (folder / "train.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", "train.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    for run, (losses, sums, choices) in zip(runs, found, strict=True):
        told, scored = eval(run)  # the same code as in the processes
        assert losses == pytest.approx([metrics["supernet_loss"] for metrics in told], rel=1e-5)
        expected = [float(p.detach().double().sum()) for p in scored.supernet.parameters()]
        assert sums == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert choices == pytest.approx(summary(told), rel=1e-5)


def test_two_processes_train_as_one_does(tmp_path):
    same_in_two_processes(tmp_path, ["trained(SPOS(batches_per_step=2))"])


@pytest.mark.slow
def test_two_processes_with_uneven_counts_of_targets_train_as_one_does(tmp_path):
    """Eight shuffled batches make up steps of three, three and two."""
    counted = [0, 0, 1, 0, 5, 5, 0, 2, 3, 3, 0, 0, 4, 5, 5, 0]
    runs = [
        f"trained_tagger({method}, tagged({counted}), batch_size=2, epochs=2, accumulate=3)"
        for method in ("SPOS()", "FairNAS()", "DARTS(learning_rate=0.1)")
    ]
    same_in_two_processes(tmp_path, runs)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"method": SPOS(recalibration_batches=2)}, "its method recalibration_batches is 8 and not 2"),
        ({"method": FairNAS()}, 'its method is "SPOS" and not "FairNAS"'),
        ({"evaluator": {"lr": 0.5}}, "its evaluator lr is .* and not 0.5"),
        ({"space": ModelSpace(lambda: nn.Linear(4, retia.choice("other", [2, 3])))}, "its space is"),
        ({"seed": 4}, "its seed is 3 and not 4"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, other, what):
    trained(SPOS(), evaluator(epochs=1), directory=tmp_path)
    with pytest.raises(StorageError, match=what):
        run = Run(other.get("space", ModelSpace(Net)), seed=other.get("seed", 3), directory=tmp_path)
        other.get("method", SPOS()).prepare(evaluator(epochs=1, **other.get("evaluator", {})), run)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "supernet.safetensors").write_text("nonsense")
    with pytest.raises(
        StorageError,
        match=(
            "supernet.safetensors' should be a checkpoint of a training, "
            "and can't be read.*Remove it to train"
        ),
    ):
        trained(SPOS(), directory=tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    trained(SPOS(), evaluator(epochs=1), directory=tmp_path)
    whole = (tmp_path / "supernet.safetensors").read_bytes()
    (tmp_path / "supernet.safetensors").write_bytes(whole[:-100] + bytes(100))
    with pytest.raises(
        StorageError, match=r"supernet.safetensors' is damaged.*Remove it to train from the beginning"
    ):
        trained(SPOS(), evaluator(epochs=1), directory=tmp_path)


def test_a_checkpoint_of_a_model_whose_code_has_changed_is_refused(tmp_path):
    def net(inner):
        width = retia.choice("width", [4, 8])
        return nn.Sequential(nn.Linear(4, width), nn.Linear(width, inner), nn.Linear(inner, 2))

    inner = 3
    trained(SPOS(), evaluator(epochs=1), directory=tmp_path, space=ModelSpace(lambda: net(inner)))
    inner = 5
    with pytest.raises(
        StorageError,
        match=r"(?s)supernet.safetensors' does not fit the supernet: .*Remove it, or give another directory",
    ):
        trained(SPOS(), evaluator(epochs=1), directory=tmp_path, space=ModelSpace(lambda: net(inner)))


def test_a_loss_that_diverges_stops_with_the_step_and_keeps_the_checkpoint(tmp_path):
    steps = []

    class Bad:
        def capabilities(self):
            return Capabilities(training=self.training)

        def training(self):
            def loss(outputs, batch):
                steps.append(1)
                value = nn.functional.cross_entropy(outputs, batch[1])
                return value * float("nan") if len(steps) > 6 else value

            return Classification(
                data(seed=0),
                data(seed=1),
                loss=loss,
                lr=0.1,
                optimizer="sgd",
                schedule="constant",
                batch_size=16,
            )

    with pytest.raises(
        TrainingDiverged, match=r"became nan in epoch 2, step 6. The checkpoint of epoch 1 is kept"
    ):
        trained(SPOS(epochs=3), Bad(), directory=tmp_path)
    assert (tmp_path / "supernet.safetensors").exists()


def test_what_can_not_be_trained_is_refused_before_training():
    with pytest.raises(EvaluationError, match=r"int does not say how: it offers no loss and no data"):
        SPOS().train(ModelSpace(Net), 3)
    with pytest.raises(
        EvaluationError, match=r"A batch of 500 is larger than the training data with 64 samples"
    ):
        SPOS().train(ModelSpace(Net), evaluator(batch_size=500))
    with pytest.raises(SpaceError, match=r"the space \(SearchSpace\) builds no models"):
        SPOS().train(retia.SearchSpace({"x": retia.Integer(0, 1)}), evaluator())
    with pytest.raises(EvaluationError, match=r"The model returns 1 scores|score for each class"):
        SPOS().train(ModelSpace(lambda: nn.Linear(4, 1 + 0 * retia.choice("x", [1, 2]))), evaluator())


@pytest.mark.parametrize(
    ("method", "without"),
    [(Sandwich(), Sandwich(distill=False)), (OnceForAll(), OnceForAll(distillation=0))],
    ids=["sandwich", "once for all"],
)
def test_a_teacher_that_the_training_can_not_use_is_refused_before_training(method, without):
    losses = []

    def loss(outputs, batch):
        losses.append(nn.functional.cross_entropy(outputs, batch[1]))
        return losses[-1]

    training = Training(data(), data(seed=1), loss=loss, epochs=2, batch_size=16, device="cpu")
    with pytest.raises(
        EvaluationError,
        match=rf"^{type(method).__name__} trains subnets on .* but 'distill' of Training is not given\. "
        rf"Give it distill=.*, or use {type(method).__name__}\(distill",
    ):
        method.train(ModelSpace(Net), training)
    assert not losses
    without.train(ModelSpace(Net), training)
    assert losses


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "'epochs' of SPOS must be a whole number of at least 1, got 0"),
        ({"held_out": 1.0}, "'held_out' of SPOS is a share"),
    ],
)
def test_settings_that_can_not_be_are_refused(settings, message):
    with pytest.raises(EvaluationError, match=message):
        SPOS(**settings)


def test_a_warm_up_that_leaves_no_epoch_is_refused():
    with pytest.raises(
        EvaluationError,
        match="DARTS learns what to choose after a warm-up of 3 epochs, of which the training has 2",
    ):
        DARTS(epochs=2, warmup_epochs=3).train(ModelSpace(Net), evaluator())


def test_a_warm_up_that_nothing_follows_is_refused():
    with pytest.raises(EvaluationError, match="SPOS does not learn choices, so it has no warm-up"):
        SPOS(warmup_epochs=1)


def test_a_penalty_that_nothing_would_mind_is_refused():
    with pytest.raises(
        EvaluationError, match=r"SPOS does not learn choices, so penalties have no effect.*constraints="
    ):
        SPOS(penalties=Penalty("params"))


def test_a_method_that_has_not_been_trained_says_so():
    with pytest.raises(StudyError, match="SPOS has no trained supernet yet"):
        next(SPOS().ranked())


def test_search_trains_ranks_bounds_and_retrains(tmp_path):
    study = retia.search(
        Net,
        evaluator(),
        SPOS(epochs=10),
        trials=6,
        maximize="accuracy",
        constraints=["params <= 100"],
        storage=tmp_path / "s.db",
        progress=False,
    )
    assert study.stop_reason in ("trials done", "search space exhausted")
    assert all(trial.metrics["params"] <= 100 for trial in study.trials[1:])
    assert len({trial.architecture for trial in study.trials}) == len(study.trials)
    retrained = run_retrained(study, 2)
    assert len(retrained.trials) == 3  # and the baseline
    assert {trial.architecture for trial in retrained.trials} == {
        study.baseline,
        *(trial.architecture for trial in study.top(2)),
    }
    again = retia.search(
        Net,
        evaluator(),
        SPOS(epochs=10),
        trials=7,
        maximize="accuracy",
        constraints=["params <= 100"],
        storage=tmp_path / "s.db",
        progress=False,
    )
    assert again.trials[: len(study.trials)] == study.trials


def test_statistics_are_an_architectures_own_when_it_is_judged():
    _, scored = trained(SPOS())
    space, rng = scored.supernet.space, np.random.default_rng(0)
    architecture = space.sample(rng)
    first = scored(architecture, Run(space))
    scored(space.sample(rng), Run(space))
    assert scored(architecture, Run(space)) == first


@pytest.mark.parametrize("method", [SPOS(), DARTS(), DARTS(unrolled=True)])
def test_half_precision_computes_in_it_and_keeps_whole_weights(method):
    whole, _ = trained(method)
    half, scored = trained(method, evaluator(precision="bfloat16"))
    losses = [[epoch["supernet_loss"] for epoch in told] for told in (whole, half)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert {parameter.dtype for parameter in scored.supernet.parameters()} == {torch.float32}


def test_in_the_warm_up_only_weights_are_trained():
    whole = evaluator(epochs=3)
    told, _ = trained(DARTS(warmup_epochs=2, learning_rate=0.1), whole)
    assert ["search_loss" in epoch for epoch in told] == [False, False, True]
    assert [epoch["entropy"] == pytest.approx(1.0, abs=1e-6) for epoch in told] == [True, True, False]


class Tagger(nn.Module):
    """Two candidates that compute the same, so that losses do not depend on the path."""

    def __init__(self):
        super().__init__()
        self.op = retia.layer_choice("op", {"a": nn.Identity, "b": nn.Identity})
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.op(x))


def tagged(counted):
    """Return 16 sequences (16, 5, 4) of tokens, of which the first `counted[i]` targets of sequence i
    count.
    """
    x = torch.randn(16, 5, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(80).reshape(16, 5) % 3
    return x, targets.masked_fill(torch.arange(5) >= torch.tensor(counted)[:, None], -100)


def trained_tagger(method, data, **settings):
    evaluator = Classification(
        data,
        tagged([5] * 16),
        **{"epochs": 1, "lr": 0.5, "optimizer": "sgd", "schedule": "constant", "device": "cpu", **settings},
    )
    return trained(method, evaluator, space=ModelSpace(Tagger))


@pytest.mark.parametrize(
    "counted", [[i % 6 for i in range(16)], [0] * 14 + [5, 1]], ids=["uneven", "mostly ignored"]
)
def test_batches_of_uneven_counts_give_the_gradients_of_all_together(counted):
    (whole, one), (parts, several) = (
        trained_tagger(SPOS(batches_per_step=16 // size), tagged(counted), batch_size=size)
        for size in (16, 2)
    )
    assert parts[0]["supernet_loss"] == pytest.approx(whole[0]["supernet_loss"], rel=1e-5)
    for a, b in zip(one.supernet.parameters(), several.supernet.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_steps_accumulate_gradients_as_the_training_says():
    x, y = tagged([5] * 16)
    batches = [(x[i : i + 2], y[i : i + 2]) for i in range(0, 14, 2)]
    told, scored = trained_tagger(
        SPOS(), batches, accumulate=3, epochs=2, momentum=0.0, weight_decay=0.0, lr=0.1
    )
    space = ModelSpace(Tagger)
    model = Supernet(space, seed=stream_seed(3, "weights")).subnet(space.default())
    losses = []
    for step in [(0, 6), (6, 12), (12, 14)] * 2:
        part = slice(*step)
        loss = nn.functional.cross_entropy(model(x[part]).flatten(0, 1), y[part].flatten())
        losses.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
    found = [epoch["supernet_loss"] for epoch in told]
    assert found == pytest.approx([sum(losses[:3]) / 3, sum(losses[3:]) / 3], rel=1e-5)
    for name, tensor in scored.supernet.extract(space.default()).items():
        torch.testing.assert_close(tensor, model.state_dict()[name])


@pytest.mark.parametrize(
    "method", [SPOS(), FairNAS(), Sandwich(), DARTS(), ENAS()], ids=lambda one: type(one).__name__
)
def test_accumulation_of_the_training_is_the_default_of_every_method(method):
    by_training, by_method, without = (
        trained(dataclasses.replace(method, batches_per_step=own), evaluator(accumulate=accumulate))
        for own, accumulate in ((None, 2), (2, 1), (None, 1))
    )
    assert by_training[0] == by_method[0] != without[0]


def test_patience_has_no_effect_and_gives_a_warning():
    with pytest.warns(UserWarning, match=r"SPOS trains the supernet for all of its 2 epochs.*patience=1 has"):
        told, _ = trained(SPOS(), evaluator(epochs=2, patience=1))
    assert len(told) == 2


@pytest.mark.parametrize("method", [SPOS(), DARTS(), FairNAS()], ids=lambda method: type(method).__name__)
def test_batches_without_a_target_that_counts_are_passed_over(method):
    counted = [0] * 15 + [5]
    told, scored = trained_tagger(method, tagged(counted), batch_size=2, momentum=0.0, weight_decay=0.0)
    (alone,), _ = trained_tagger(
        method, tuple(part[15:] for part in tagged(counted)), batch_size=1, momentum=0.0, weight_decay=0.0
    )
    assert told[0]["supernet_loss"] == pytest.approx(alone["supernet_loss"], rel=1e-5)
    assert all(parameter.isfinite().all() for parameter in scored.supernet.parameters())


@pytest.mark.parametrize(
    "method",
    [DARTS(), DARTS(unrolled=True), GDAS(), DrNAS(), ProxylessNAS(), FBNet(warmup_epochs=0), ENAS()],
    ids=lambda method: type(method).__name__,
)
def test_a_held_out_batch_without_a_target_that_counts_is_passed_over(method):
    """The first of two steps has such a batch: it is as if choices were not trained in it."""
    ignored, counting = tagged([0] * 16), tagged([5] * 16)
    evaluator = Classification(
        [counting], [ignored, counting], epochs=2, lr=0.5, optimizer="sgd", device="cpu"
    )
    told, scored = trained(method, evaluator, space=ModelSpace(Tagger))
    after, same = trained(dataclasses.replace(method, warmup_epochs=1), evaluator, space=ModelSpace(Tagger))
    assert told == after
    assert "search_loss" in told[1] or "reward" in told[1]
    for a, b in zip(scored.supernet.parameters(), same.supernet.parameters(), strict=True):
        assert torch.equal(a, b)


def test_data_without_a_target_that_counts_is_an_error():
    ignored = tagged([0] * 16)
    with pytest.raises(EvaluationError, match="No target of 'train' counts"):
        trained_tagger(SPOS(), ignored, batch_size=2)
    loader = torch.utils.data.DataLoader([ignored], batch_size=None, generator=torch.Generator())
    with pytest.raises(EvaluationError, match="No target of the training data counts in epoch 1"):
        trained_tagger(SPOS(), loader)
