"""One-shot methods as strategies: they train a supernet first, and propose what it ranks highest."""

import dataclasses
import hashlib
import itertools
import json
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch

from retia.errors import EvaluationError, SpaceError, StudyError
from retia.evaluate import Training, memory_format_of
from retia.nn import ModelSpace
from retia.oneshot.cost.penalty import Penalty
from retia.oneshot.stored_supernet import SUPERNET
from retia.oneshot.supernet_evaluator import SupernetEvaluator
from retia.oneshot.training.data_schedule import DataSchedule, data_schedule_of
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

__all__ = ["OneShot", "refuse_real_interval"]


class _Result:
    """The last training of a method and its ranking, which is computed once and only as far as it is read.

    It is a cache: after another preparation from the same checkpoint the method proposes the same.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self._source: Iterator[Architecture] = iter(())
        self._known: list[Architecture] = []

    def set(self, session: Session) -> None:
        """Replace the training."""
        self.session, self._source, self._known = session, session.ranked(), []

    def __iter__(self) -> Iterator[Architecture]:
        known, source = self._known, self._source  # of this training, also after another one
        for i in itertools.count():
            while i >= len(known):
                architecture = next(source, None)
                if architecture is None:
                    return
                known.append(architecture)
            yield known[i]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneShot(ABC):
    """A strategy that trains a supernet before its first proposal, and ranks architectures by it.

    `retia.search(space, evaluator, method, trials=20)` trains the supernet as the evaluator trains models,
    and then scores the 20 architectures that the method ranks highest with the supernet's weights.
    `method.train(space, evaluator)` does the first half, and returns an evaluator that any other strategy can
    search.

    Attributes:
        epochs: Number of passes over the training data. Default: that of the evaluator's training.
        warmup_epochs: Number of first epochs in which only weights are trained, not choices. Default 0.
        batches_per_step: Number of batches, each with architectures of its own, whose gradients make up one
            training step (gradient accumulation). Processes that `torchrun` has started share them. Default:
            `accumulate` of the evaluator's training.
        held_out: Share of the training data on which architecture weights are trained, from 0 to below 1.
            Default 0, the validation data, which is always taken if a loader gives the data.
        penalties: Penalties on costs, which are added to the loss of the architecture weights.
        recalibration_batches: Number of batches from which the batch-norm statistics of an architecture are
            computed before it is scored. Default 8; 0 keeps the statistics of the training.
        learns_choices: Whether the method learns choices while it trains, as penalties and a warm-up need.

    Raises:
        EvaluationError: If an argument is out of its range, or penalties or a warm-up are given to a method
            that does not learn choices.
    """

    epochs: int | None = None
    warmup_epochs: int = 0
    batches_per_step: int | None = None
    held_out: float = 0.0
    penalties: Penalty | Sequence[Penalty] = ()
    recalibration_batches: int = 8
    _result: _Result = dataclasses.field(default_factory=_Result, init=False, repr=False, compare=False)

    learns_choices: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field, least in (
            ("epochs", 1),
            ("warmup_epochs", 0),
            ("batches_per_step", 1),
            ("recalibration_batches", 0),
        ):
            value = getattr(self, field)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                msg = (
                    f"'{field}' of {type(self).__name__} must be a whole number of at least {least}, "
                    f"got {value!r}."
                )
                raise EvaluationError(msg)
        if not 0 <= self.held_out < 1:
            msg = f"'held_out' of {type(self).__name__} is a share from 0 to below 1, got {self.held_out}."
            raise EvaluationError(msg)
        if self.penalties and not self.learns_choices:
            msg = (
                f"{type(self).__name__} does not learn choices, so penalties have no effect. "
                "Bound the costs instead: constraints=[...]."
            )
            raise EvaluationError(msg)
        if self.warmup_epochs and not self.learns_choices:
            msg = (
                f"{type(self).__name__} does not learn choices, so it has no warm-up, "
                f"got warmup_epochs={self.warmup_epochs}. Leave it out."
            )
            raise EvaluationError(msg)

    @abstractmethod
    def session(self, setting: Setting) -> Session:
        """Start a training session."""

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
            space: Space of the models.
            evaluator: How models are trained and judged: a `Training`, such as `Classification`, or an
                evaluator whose `capabilities()` have a training.
            directory: Folder of the checkpoint, which is written after each epoch and from which a second
                call continues. Default: no checkpoint.
            seed: Seed of all randomness. Default 0.
            device: Device to train on. Default: that of the evaluator's training.

        Raises:
            EvaluationError: If the evaluator has no training, or there is too little data.
            SpaceError: If the method can't search a parameter of the space.
            SupernetError: If the space can't become a supernet, or a penalty's cost can't be computed.
            TrainingDiverged: If a loss becomes NaN or infinite.
            StorageError: If the checkpoint belongs to another training.
        """
        return self.prepare(
            evaluator,
            Run(space, seed=seed, device=device, directory=None if directory is None else Path(directory)),
        )

    # --- as a strategy

    def prepare(self, evaluator: Any, run: Run) -> SupernetEvaluator:
        """Train the supernet of the run's space, and return it as an evaluator.

        The training continues from the checkpoint in the run's directory, if there is one.

        Raises:
            RetiaError: As `train` says.
        """
        space, training = self._requirements(run.space, evaluator)
        epochs = self._epochs(training)
        self._schedule(training, run)  # too little data is an error before anything is made
        setting, schedule = self._setting(space, training, run, epochs)
        session = self.session(setting)
        first = schedule.train.first()
        setting.supernet.eval()
        if training.check is not None:
            with torch.no_grad():
                training.check(setting.outputs(first), first)
        settings = capabilities_of(evaluator).settings
        TrainingLoop(
            session=session,
            data_schedule=schedule,
            epochs=epochs,
            warmup_epochs=self.warmup_epochs,
            ranks=join(setting.training.place),
            identity={
                "method": self.describe(),
                "evaluator": settings and settings(),
                "space": _fingerprint(space),
                "epochs": epochs,
                "seed": run.seed,
            },
            path=None if run.directory is None else run.directory / SUPERNET,
            report=run.report,
        ).run()
        setting.supernet.activate(setting.supernet.architecture)  # this ends the mixture of the last step
        self._result.set(session)
        return SupernetEvaluator(
            setting.supernet, evaluator, self.recalibration_batches, trained_by=self.describe()
        )

    def _requirements(self, space: SearchSpace, evaluator: Any) -> tuple[ModelSpace, Training]:
        """Return the space of the models and how they are trained.

        Raises:
            SpaceError: If the space builds no models, or the method can't search a parameter of it.
            EvaluationError: If the evaluator has no training.
        """
        if not isinstance(space, ModelSpace):
            msg = (
                f"{type(self).__name__} trains a supernet, but the space ({type(space).__name__}) builds no "
                "models. Search a ModelSpace."
            )
            raise SpaceError(msg)
        train = capabilities_of(evaluator).training
        if train is None:
            msg = (
                f"{type(self).__name__} trains a supernet as the evaluator trains models, "
                f"but {type(evaluator).__name__} does not say how: it offers no loss and no "
                "data. Give retia.Training, a preset of it such as Classification, "
                "or an evaluator whose capabilities() have a training."
            )
            raise EvaluationError(msg)
        if reason := self.refuse(space):
            raise SpaceError(reason)
        return space, train()

    def _epochs(self, training: Training) -> int:
        """Return the number of epochs.

        Raises:
            EvaluationError: If the warm-up takes all of them.
        """
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
            warnings.warn(msg, UserWarning, stacklevel=3)
        return epochs

    def _schedule(self, training: Training, run: Run) -> DataSchedule:
        seed = stream_seed(run.seed, "order")
        return data_schedule_of(
            training, seed=seed, batches_per_step=self.batches_per_step, held_out=self.held_out
        )

    def _setting(
        self, space: ModelSpace, training: Training, run: Run, epochs: int
    ) -> tuple[Setting, DataSchedule]:
        """Build the supernet, and put it and the data on the device."""
        place = torch.device(run.device or training.place)
        example: Any = training.example_inputs
        supernet = Supernet(space, example=example, device="cpu", seed=stream_seed(run.seed, "weights"))
        supernet = supernet.to(place)
        layout = memory_format_of(supernet)
        if layout is torch.channels_last:
            supernet.to(memory_format=layout)  # pyright: ignore[reportCallIssue]  # an overload that torch does not declare
        training = training.on(place, layout)
        schedule = self._schedule(training, run)
        bound = [penalty.bind(supernet, example=training.costs().example) for penalty in self._penalties]
        setting = Setting(
            supernet=supernet,
            training=training,
            steps=epochs * schedule.steps_per_epoch,
            steps_per_epoch=schedule.steps_per_epoch,
            seed=stream_seed(run.seed, "lessons"),
            allows=lambda architecture: architecture in space,
            penalties=bound,
        )
        return setting, schedule

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` of the architectures that rank highest and have not been tried.

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
        return iter(self._result)

    def probabilities(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return the probability of each value of each parameter, by label; empty if all are alike.

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
        if self._result.session is None:
            msg = (
                f"{type(self).__name__} has no trained supernet yet. Run it by retia.search or study.run, "
                "or call train(space, evaluator) first."
            )
            raise StudyError(msg)
        return self._result.session


def refuse_real_interval(space: SearchSpace, reason: str, first: str = "SPOS") -> str | None:
    """Return why a method that needs a finite number of values can't search a space; None if it can.

    Args:
        space: The space.
        reason: What the method can't do with a real interval, as a clause.
        first: The first method to use instead.
    """
    for label, parameter in space.parameters.items():
        if math.isinf(parameter.domain.size):
            return (
                f"'{label}' is a real interval ({parameter.domain}), {reason}. "
                f"Use {first}, Sandwich or OnceForAll, or space.discretize(points)."
            )
    return None


def _fingerprint(space: ModelSpace) -> str:
    return hashlib.blake2b(json.dumps(space.to_json(), sort_keys=True).encode(), digest_size=8).hexdigest()
