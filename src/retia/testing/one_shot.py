"""The laws of one-shot methods, for any implementation.

Each law is a function of `make_method`, which makes a new instance with the same arguments each time:

    @pytest.mark.parametrize("law", ONE_SHOT_LAWS, ids=lambda law: law.__name__)
    def test_method(law):
        law(lambda: MyMethod(paths=2))

`assert_laws(ONE_SHOT_LAWS, make_method)` checks all of them. They train small supernets for a few epochs,
so `epochs` of the method must be None.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from retia.evaluate import Classification, Training
from retia.nn import ModelSpace, layer_choice
from retia.oneshot import OneShot, Penalty, SupernetEvaluator
from retia.rng import stream
from retia.space import Architecture
from retia.study import Study
from retia.testing.generators import unmoved_generators
from retia.trial import History, Objective, Run, Trial

__all__ = ["ONE_SHOT_LAWS", "MakeOneShot", "OneShotLaw"]

MakeOneShot: TypeAlias = Callable[[], OneShot]
"""Makes a new method, with the same arguments each time."""
OneShotLaw: TypeAlias = Callable[[MakeOneShot], None]
"""Raises AssertionError if a method breaks the law."""

EPOCHS = 4


def every_architecture_is_ranked_once(make_method: MakeOneShot) -> None:
    """A trained method ranks every architecture of a finite space, each once."""
    ranked = _trained(make_method).ranking
    assert len(ranked) == len(set(ranked)), "an architecture was ranked twice"
    missing = set(_space().enumerate()) - set(ranked)
    assert not missing, f"these were not ranked: {[dict(one) for one in missing]}"


def restrictions_hold(make_method: MakeOneShot) -> None:
    """Only architectures that the restrictions of the space allow are ranked."""
    space = _space().where(lambda architecture: architecture["shape"] != "tanh", "no tanh")
    ranked = _trained(make_method, space).ranking
    assert set(ranked) == set(space.enumerate()), f"it ranked {[dict(one) for one in ranked]}"


def the_weights_learn(make_method: MakeOneShot) -> None:
    """The training loss of the supernet falls by a fifth at least, and its weights are finite."""
    trained = _trained(make_method)
    losses = [metrics["supernet_loss"] for metrics in trained.reports]
    assert losses[-1] < 0.8 * losses[0], f"the losses of the epochs are {losses}"
    assert all(bool(weight.isfinite().all()) for weight in trained.weights.values()), "a weight is not finite"


def the_same_seed_trains_the_same(make_method: MakeOneShot) -> None:
    """The same seed gives the same losses, weights and ranking."""
    _assert_same(_trained(make_method), _trained(make_method), "a second training")


def an_interrupted_training_goes_on_to_the_same_end(make_method: MakeOneShot) -> None:
    """A training that is interrupted after an epoch continues from its checkpoint to the same end."""

    def interrupt(metrics: Mapping[str, float], step: float | None) -> None:
        reports.append(dict(metrics))
        if step == EPOCHS // 2:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        reports: list[dict[str, float]] = []
        with suppress(KeyboardInterrupt):
            make_method().prepare(_evaluator(), Run(_space(), directory=Path(folder), listener=interrupt))
        continued = _trained(make_method, directory=Path(folder))
    _assert_same(
        _Trained([*reports, *continued.reports], continued.weights, continued.ranking),
        _trained(make_method),
        "a continued training",
    )


def a_penalty_makes_costs_less_probable(make_method: MakeOneShot) -> None:
    """In a method that learns choices, a penalty on parameters lowers the probability of a convolution."""
    if not make_method().learns_choices:
        return

    def probability(method: OneShot) -> float:
        method.train(_space(), _evaluator())
        return float(method.probabilities()["mix"][1])

    free = probability(make_method())
    penalized = probability(replace(make_method(), penalties=Penalty("params", scale=10.0)))
    assert penalized < free, f"the probability of 'conv' is {free:.3f}, with a penalty {penalized:.3f}"


def asking_a_method_twice_changes_nothing(make_method: MakeOneShot) -> None:
    """The same history gets the same proposals, and what was tried is not proposed again."""
    method, space, history = make_method(), _space(), History([Objective("accuracy", "maximize")])
    method.prepare(_evaluator(), Run(space))
    rng = stream(0, "one-shot laws")
    first, second = ([one.architecture for one in method.propose(space, history, 4, rng)] for _ in range(2))
    assert len(first) == 4, f"4 proposals were asked for, {len(first)} came"
    assert first == second, f"the same question was answered by {first} and {second}"
    history.record(Trial(0, first[0]))
    third = [one.architecture for one in method.propose(space, history, 3, rng)]
    assert third == first[1:], f"after {first[0]} it proposed {third} instead of {first[1:]}"


def global_generators_stay_as_they_are(make_method: MakeOneShot) -> None:
    """The global generators of Python, numpy and torch have the same state after a training."""
    with unmoved_generators():
        _trained(make_method)


def its_settings_are_json(make_method: MakeOneShot) -> None:
    """`describe()` returns the settings as JSON, the same for the same arguments."""
    first, second = (json.dumps(make_method().describe()) for _ in range(2))
    assert first == second, f"the same arguments are described by {first} and {second}"


def a_search_exhausts_a_small_space(make_method: MakeOneShot) -> None:
    """A study of a small space scores every architecture with the supernet, and then ends."""
    study = Study(_space(), _evaluator(), maximize="accuracy")
    reason = study.run(make_method(), trials=100)
    assert reason == "search space exhausted", f"it stopped: {reason}, after {len(study.trials)} trials"
    assert {trial.architecture for trial in study.trials} == set(_space().enumerate())


ONE_SHOT_LAWS: tuple[OneShotLaw, ...] = (
    every_architecture_is_ranked_once,
    restrictions_hold,
    the_weights_learn,
    the_same_seed_trains_the_same,
    an_interrupted_training_goes_on_to_the_same_end,
    a_penalty_makes_costs_less_probable,
    asking_a_method_twice_changes_nothing,
    global_generators_stay_as_they_are,
    its_settings_are_json,
    a_search_exhausts_a_small_space,
)
"""What holds for every one-shot method."""


class _Absolute(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, 8, 1)
        self.shape = layer_choice("shape", {"linear": nn.Identity, "tanh": nn.Tanh, "absolute": _Absolute})
        self.mix = layer_choice("mix", {"skip": nn.Identity, "conv": lambda: nn.Conv2d(8, 8, 1)})
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:  # (B, 4, 1, 1)
        return self.head(self.mix(self.shape(self.stem(x))).flatten(1))


def _space() -> ModelSpace:
    return ModelSpace(_Net)


def _evaluator() -> Training:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    data = x[:, :, None, None], (x[:, 0] + x[:, 1] > 0).long()
    return Classification(data, data, epochs=EPOCHS, batch_size=8, lr=0.1, optimizer="sgd", device="cpu")


@dataclass(frozen=True)
class _Trained:
    """What came of a training."""

    reports: list[dict[str, float]]
    weights: Mapping[str, Tensor]
    ranking: list[Architecture]


def _trained(
    make_method: MakeOneShot, space: ModelSpace | None = None, directory: Path | None = None
) -> _Trained:
    method, reports = make_method(), list[dict[str, float]]()

    def listen(metrics: Mapping[str, float], step: float | None) -> None:
        del step
        reports.append(dict(metrics))

    run = Run(_space() if space is None else space, directory=directory, listener=listen)
    scored: SupernetEvaluator = method.prepare(_evaluator(), run)
    return _Trained(reports, scored.supernet.state_dict(), list(method.ranked()))


def _assert_same(found: _Trained, expected: _Trained, what: str) -> None:
    assert found.reports == expected.reports, f"{what} reported {found.reports}, not {expected.reports}"
    for name, weight in expected.weights.items():
        assert torch.equal(found.weights[name], weight), f"{what} has other weights '{name}'"
    assert found.ranking == expected.ranking, f"{what} ranks otherwise"
