"""One-shot methods as strategies: they train a supernet first, and propose what it ranks highest."""

import dataclasses
import hashlib
import itertools
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch

from retia.errors import EvaluationError, SpaceError, StudyError
from retia.evaluate import memory_format_of
from retia.nn import ModelSpace
from retia.oneshot.cost.penalty import Penalty
from retia.oneshot.stored_supernet import SUPERNET
from retia.oneshot.supernet_evaluator import SupernetEvaluator
from retia.oneshot.training.data_schedule import data_schedule_of
from retia.oneshot.training.loop import TrainingLoop
from retia.oneshot.training.ranks import join
from retia.oneshot.training.session import Session, Setting
from retia.rng import stream_seed
from retia.space import Architecture, SearchSpace
from retia.supernet import Supernet
from retia.trial import (
    History,
    Proposal,
    Run,
    StrategyCapabilities,
    capabilities_of,
    fields_as_json,
)

__all__ = ["OneShot"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneShot(ABC):
    """A method that trains a supernet, by which it then ranks architectures: a strategy with work to do
    before its first proposal.

    `retia.search(space, evaluator, method, trials=20)` trains the supernet as the evaluator trains models,
    and then scores the 20 architectures that the method ranks highest with the supernet's weights.
    `method.train(space, evaluator)` does the first half, and returns an evaluator that any other strategy can
    search.

    Attributes:
        epochs: How often the training data is seen; as the evaluator has it if not given.
        warmup_epochs: During how many of the first epochs only weights are trained.
        batches_per_step: Number of batches, each with architectures of its own, whose gradients make up one
            step of the optimizer. Processes that `torchrun` has started share them. Default: `accumulate` of
            the evaluator's training.
        held_out: The share of the training data that architecture weights are trained on; 0 takes the
            validation data, as always where a loader gives the data.
        penalties: What is added to the loss of what chooses architectures for what they cost.
        learns_choices: Whether the method learns what to choose while it trains, which penalties and a
            warm-up are about.
        recalibration_batches: From how many batches an architecture's batch-norm statistics are taken before
            it is judged.
    """

    epochs: int | None = None
    warmup_epochs: int = 0
    batches_per_step: int | None = None
    held_out: float = 0.0
    penalties: Penalty | Sequence[Penalty] = ()
    recalibration_batches: int = 8

    learns_choices: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field, least in (
            ("epochs", 1),
            ("warmup_epochs", 0),
            ("batches_per_step", 1),
            ("recalibration_batches", 0),
        ):
            value = getattr(self, field)
            if value is not None and value < least:
                msg = f"'{field}' of {type(self).__name__} is at least {least}, got {value}."
                raise EvaluationError(msg)
        if not 0 <= self.held_out < 1:
            msg = f"'held_out' of {type(self).__name__} is a share from 0 to below 1, got {self.held_out}."
            raise EvaluationError(msg)
        if self.penalties and not self.learns_choices:
            msg = (
                f"{type(self).__name__} has nothing that would mind a penalty: "
                "it samples without preferences. Bound the costs instead, constraints=[...]."
            )
            raise EvaluationError(msg)
        if self.warmup_epochs and not self.learns_choices:
            msg = (
                f"{type(self).__name__} learns no choices that a warm-up could precede, "
                f"got warmup_epochs={self.warmup_epochs}. Leave it out."
            )
            raise EvaluationError(msg)

    @abstractmethod
    def session(self, setting: Setting) -> Session:
        """Start a training."""

    def refuse(self, space: SearchSpace) -> str | None:
        """Return why the method can't search a space, which names the parameter; None if it can."""
        del space
        return None

    def train(
        self,
        space: ModelSpace,
        evaluator: Any,
        *,
        directory: str | Path | None = None,
        seed: int = 0,
        device: str | None = None,
    ) -> SupernetEvaluator:
        """Train a supernet, and return it as an evaluator.

        Args:
            space: The space of the models.
            evaluator: What says how models are trained and judged: a `Training`, such as `Classification`, or
                one with a method `training`.
            directory: Where a checkpoint is kept after each epoch, from which the training goes on if it is
                called again.
            seed: Where all randomness comes from.
            device: Where to train; as the evaluator would, if not given.

        Raises:
            EvaluationError: If the evaluator does not say how it trains, or there is too little data.
            SpaceError: If the method can't search a parameter of the space.
            SupernetError: If the space makes no supernet, or a cost can't be had of it.
            TrainingDiverged: If a loss becomes NaN.
            StorageError: If the checkpoint is one of something else.
        """
        return self.prepare(
            evaluator,
            Run(space, seed=seed, device=device, directory=None if directory is None else Path(directory)),
        )

    # --- as a strategy

    def prepare(self, evaluator: Any, run: Run) -> SupernetEvaluator:
        """Train the supernet of the run's space, or go on from the checkpoint in its directory, and return it
        as an evaluator.
        """
        space = run.space
        if not isinstance(space, ModelSpace):
            msg = (
                f"{type(self).__name__} trains a supernet, but the space ({type(space).__name__}) builds no "
                "models. Search a ModelSpace."
            )
            raise SpaceError(msg)
        abilities = capabilities_of(evaluator)
        if abilities.training is None:
            msg = (
                f"{type(self).__name__} trains a supernet as the evaluator trains models, "
                f"but {type(evaluator).__name__} does not say how: it offers no loss and no "
                "data. Give retia.Training, a preset of it such as Classification, "
                "or an evaluator whose capabilities() have a training."
            )
            raise EvaluationError(msg)
        if reason := self.refuse(space):
            raise SpaceError(reason)
        training = abilities.training()
        place = torch.device(run.device or training.place)
        epochs = self.epochs or cast("int", training.epochs)
        if self.warmup_epochs >= epochs:
            msg = (
                f"{type(self).__name__} learns what to choose after a warm-up of {self.warmup_epochs} "
                f"epochs, of which the training has {epochs}. "
                f"Train for more epochs, or set warmup_epochs below {epochs}."
            )
            raise EvaluationError(msg)
        if training.patience is not None:
            msg = (
                f"{type(self).__name__} trains the supernet for all of its {epochs} epochs, without a metric "
                f"that could end it earlier, so patience={training.patience} has no effect on it. "
                "Set epochs of the method to train for a shorter time."
            )
            warnings.warn(msg, UserWarning, stacklevel=2)
        order = stream_seed(run.seed, "order")
        # Too little data is an error before anything is made.
        data_schedule_of(training, seed=order, batches_per_step=self.batches_per_step, held_out=self.held_out)
        example: Any = training.example_inputs
        supernet = Supernet(space, example=example, device="cpu", seed=stream_seed(run.seed, "weights")).to(
            place
        )
        layout = memory_format_of(supernet)
        if layout is torch.channels_last:
            supernet.to(memory_format=layout)  # pyright: ignore[reportCallIssue]  # an overload that torch does not declare
        training = training.on(place, layout)
        data_schedule = data_schedule_of(
            training, seed=order, batches_per_step=self.batches_per_step, held_out=self.held_out
        )
        setting = Setting(
            supernet=supernet,
            training=training,
            steps=epochs * data_schedule.steps_per_epoch,
            steps_per_epoch=data_schedule.steps_per_epoch,
            seed=stream_seed(run.seed, "lessons"),
            allows=lambda architecture: architecture in space,
            penalties=[
                penalty.bind(supernet, example=training.costs().example) for penalty in self._penalties
            ],
        )
        session = self.session(setting)
        first = data_schedule.train.first()
        supernet.eval()
        if training.check is not None:
            with torch.no_grad():
                training.check(setting.outputs(first), first)
        TrainingLoop(
            session=session,
            data_schedule=data_schedule,
            epochs=epochs,
            warmup_epochs=self.warmup_epochs,
            ranks=join(place),
            identity={
                "method": self.describe(),
                "evaluator": abilities.settings and abilities.settings(),
                "space": _fingerprint(space),
                "epochs": epochs,
                "seed": run.seed,
            },
            path=None if run.directory is None else run.directory / SUPERNET,
            report=run.report,
        ).run()
        supernet.activate(supernet.architecture)  # this ends the mixture of the last training step
        # What it keeps is a cache: whoever prepares again gets the same from the checkpoint.
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_ranking", _Ranking(session.ranked()))
        return SupernetEvaluator(supernet, evaluator, self.recalibration_batches, trained_by=self.describe())

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` of the architectures that the supernet ranks highest and that have not been tried.

        Raises:
            StudyError: If the supernet has not been trained.
        """
        del rng
        proposals: list[Proposal] = []
        for architecture in self.ranked():
            if len(proposals) == n:
                break
            if architecture in space and history.find(architecture, None) is None:
                proposals.append(Proposal(architecture))
        return proposals

    def ranked(self) -> Iterator[Architecture]:
        """Yield architectures, the most promising first, each once.

        Raises:
            StudyError: If the supernet has not been trained.
        """
        self._trained()
        return iter(cast("_Ranking", self.__dict__["_ranking"]))

    def probabilities(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return how likely each value of each parameter is chosen, by label; nothing where the method has no
        preference.

        Raises:
            StudyError: If the supernet has not been trained.
        """
        return self._trained().probabilities()

    @property
    def _penalties(self) -> Sequence[Penalty]:
        return [self.penalties] if isinstance(self.penalties, Penalty) else self.penalties

    def describe(self) -> dict[str, Any]:
        """Return the method and its settings as JSON."""
        return {**fields_as_json(self), "type": type(self).__name__}

    def capabilities(self) -> StrategyCapabilities:
        """Return the training of a supernet as the preparation."""
        penalized = tuple(penalty.metric for penalty in self._penalties)
        return StrategyCapabilities(prepare=self.prepare, settings=self.describe, penalizes=penalized)

    def _trained(self) -> Session:
        session = self.__dict__.get("_session")
        if session is None:
            msg = (
                f"{type(self).__name__} has no trained supernet yet. Run it by retia.search or study.run, "
                "or call train(space, evaluator) first."
            )
            raise StudyError(msg)
        return cast("Session", session)


class _Ranking:
    """An order that is worked out once, however often it is asked for, and only as far as it is."""

    def __init__(self, source: Iterator[Architecture]) -> None:
        self._source = source
        self._known: list[Architecture] = []

    def __iter__(self) -> Iterator[Architecture]:
        for i in itertools.count():
            while i >= len(self._known):
                architecture = next(self._source, None)
                if architecture is None:
                    return
                self._known.append(architecture)
            yield self._known[i]


def _fingerprint(space: ModelSpace) -> str:
    return hashlib.blake2b(json.dumps(space.to_json(), sort_keys=True).encode(), digest_size=8).hexdigest()
