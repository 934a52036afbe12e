"""Evaluators that train a model on labelled data."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from retia.cost import Costs, Example
from retia.errors import ArchitectureError, EvaluationError
from retia.evaluate.data import Data, LoadedData, TensorData, as_data, describe_data
from retia.evaluate.going_on import CHECKPOINT, Checkpoints, remove_unfinished
from retia.evaluate.inheritance import inherit_from_parent
from retia.evaluate.optimization import OptimizerLike, ScheduleLike, make_optimizer, make_schedule
from retia.evaluate.settings import Searched, check_settings, describe_setting, is_domain
from retia.evaluate.teaching import Teaching
from retia.evaluate.training import MetricFactory, Recipe, Trainer
from retia.evaluate.weights import save_weights
from retia.nn import seeded
from retia.space import Architecture, Domain
from retia.trial import Run

__all__ = ["Loss", "Supervised"]

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Supervised(ABC):
    """Trains a model and measures it on validation data; see `Classification` and `Regression`."""

    train: Data = field(kw_only=False)
    valid: Data = field(kw_only=False)
    test: Data | None = None
    epochs: Searched[int] = 10
    batch_size: Searched[int] = 64
    lr: Searched[float] = 1e-3
    optimizer: Searched[OptimizerLike] = "adamw"
    weight_decay: Searched[float] = 1e-2
    momentum: Searched[float] = 0.9
    schedule: Searched[ScheduleLike] = "cosine"
    warmup_epochs: Searched[int] = 0
    clip_norm: Searched[float] | None = None
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    patience: int | None = None
    metrics: Mapping[str, Metric | Callable[[], Metric]] = field(default_factory=dict[str, "Metric | Callable[[], Metric]"])
    loss: Loss | None = None
    device: str | None = None
    keep_weights: bool = True
    keep_checkpoints: bool = False
    inherit_weights: bool = False

    def __post_init__(self) -> None:
        check_settings(type(self).__name__, self._settings())
        if self.warmup_epochs != 0 and callable(self.schedule):
            msg = f"'warmup_epochs' is part of 'cosine' and 'constant', but 'schedule' is a function, {self.schedule!r}. Let the function warm up, with warmup_epochs=0."
            raise EvaluationError(msg)
        if self.loss is not None and not callable(self.loss):
            msg = f"'loss' is a function (outputs, targets) -> loss, got {self.loss!r}. Give the function itself, such as torch.nn.functional.mse_loss."
            raise EvaluationError(msg)
        if clash := {*self.metrics} & {*self.own_metrics(), "loss", "train_seconds", "params", "flops", "macs"}:
            msg = f"{type(self).__name__} supplies {sorted(clash)} itself, so a metric in 'metrics' needs another name. Rename it."
            raise EvaluationError(msg)
        for name in ("train", "valid", "test"):
            if name != "test" or self.test is not None:
                object.__setattr__(self, name, as_data(name, getattr(self, name), whole_targets=self.class_targets))

    # --- what the two kinds differ in

    @property
    @abstractmethod
    def goal(self) -> tuple[str, bool]:
        """The metric by which the best epoch is known, and whether more of it is better."""

    @property
    @abstractmethod
    def class_targets(self) -> bool:
        """Whether targets are class numbers."""

    @abstractmethod
    def training_loss(self) -> Loss:
        """The loss that is trained on."""

    @abstractmethod
    def judged_loss(self) -> Loss:
        """The loss that is reported, without smoothing."""

    @abstractmethod
    def check_outputs(self, outputs: Tensor, targets: Tensor) -> None:
        """See that a batch's outputs are what its targets ask for.

        Raises:
            EvaluationError: If they are not.
        """

    @abstractmethod
    def own_metrics(self) -> dict[str, MetricFactory]:
        """The metrics that are always there."""

    # --- what the study may ask

    @property
    def metrics_supplied(self) -> tuple[str, ...]:
        """The names of all metrics."""
        judged = (*self.own_metrics(), *self.metrics, "loss")
        tested = tuple(f"test_{name}" for name in judged) if self.test is not None else ()
        return (*judged, *tested, "train_seconds", *self.costs().metrics)

    @property
    def full_fidelity(self) -> float | None:
        """The number of epochs; None if it is searched."""
        return None if is_domain(self.epochs) else float(cast("int", self.epochs))

    def parameters(self) -> Mapping[str, Domain]:
        """Return the settings that are searched, by field."""
        return {name: value for name, value in self._settings().items() if is_domain(value)}

    def costs(self) -> Costs:
        """Return what counts a model's costs on the shape of this data."""
        x, _ = self._data("train").first()
        return Costs(Example.of(x))

    def describe(self) -> dict[str, Any]:
        """Return the settings that results depend on as JSON; data by shape and checksum."""
        data = {name: describe_data(self._data(name)) for name in ("train", "valid", "test") if getattr(self, name) is not None}
        return {"type": type(self).__name__, **data, **self._described_settings()}

    def release(self, directory: Path) -> None:
        """Remove a trial's checkpoint, which no trial will go on from, unless checkpoints are to be kept."""
        if not self.keep_checkpoints:
            (directory / CHECKPOINT).unlink(missing_ok=True)
        remove_unfinished(directory)

    def teaching(self, device: str | None = None) -> Teaching:
        """Return how models are taught, for a method that trains a supernet itself.

        Raises:
            EvaluationError: If a setting is searched: a supernet is trained once.
        """
        if searched := self.parameters():
            name, domain = next(iter(searched.items()))
            msg = f"'{name}' of {type(self).__name__} is searched ({domain}), but a supernet is trained once, with one value. Give it a value."
            raise EvaluationError(msg)
        place = self._device(device)
        recipe = self._recipe(place, None)

        def optimizer(model: nn.Module) -> Optimizer:
            return make_optimizer(recipe.optimizer, model, lr=recipe.lr, weight_decay=recipe.weight_decay, momentum=recipe.momentum, partial=True)

        def schedule(chosen: Optimizer, steps: int) -> LRScheduler:
            return make_schedule(recipe.schedule, chosen, steps=steps, warmup=round(steps * recipe.warmup_epochs / recipe.epochs))

        return Teaching(
            train=self._data("train"),
            valid=self._data("valid"),
            loss=recipe.loss,
            check=recipe.check,
            optimizer=optimizer,
            schedule=schedule,
            judge=lambda model: Trainer(model, recipe, device=place, seed=0).judge(self._data("valid")),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            clip_norm=recipe.clip_norm,
            precision=recipe.precision,
            device=place,
        )

    # --- evaluating

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Build the architecture's model, train it, and return the metrics of its best epoch.

        Raises:
            ArchitectureError: If the architecture lacks a setting that is searched.
            EvaluationError: If the space builds no models, the model has other outputs than the targets ask for, or training diverges.
        """
        searched = self.parameters()
        if missing := searched.keys() - architecture.keys():
            name = min(missing)
            msg = (
                f"'{name}' of {type(self).__name__} is searched ({searched[name]}), but the architecture has no value for it: {dict(architecture)}. "
                f"Take architectures from the study's space, which space.extend(evaluator.parameters()) makes."
            )
            raise ArchitectureError(msg)
        return self._chosen({name: architecture[name] for name in searched})._evaluate(architecture, run)

    def _chosen(self, values: Mapping[str, Any]) -> Self:
        return replace(self, **values) if values else self

    def _evaluate(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        space: Any = run.space
        if not hasattr(space, "build"):
            msg = f"{type(self).__name__} trains models, but the space ({type(space).__name__}) builds none. Search a ModelSpace."
            raise EvaluationError(msg)
        device = self._device(run.device)
        costs = self.costs()(architecture, run)
        checkpoints = Checkpoints(run, {"architecture": dict(architecture), "training": self._described_settings()})
        with checkpoints.settled():
            with seeded(run.seed):
                model: nn.Module = space.build(architecture)
                state = checkpoints.found(model)
                if self.inherit_weights and state is None and run.resume_from is None:
                    inherit_from_parent(model, run, self._data("train").first()[0])
                trainer = Trainer(model, self._recipe(device, run.fidelity), device=device, seed=run.seed)
                metrics = trainer.fit(self._data("train"), self._data("valid"), run.report, state=state, checkpoints=checkpoints)
                if self.test is not None:
                    metrics |= {f"test_{name}": value for name, value in trainer.judge(self._data("test")).items()}
            if self.keep_weights:
                save_weights(trainer.model, run)
        return {**metrics, "train_seconds": trainer.seconds, **costs}

    def _device(self, asked: str | None) -> torch.device:
        return torch.device(asked or self.device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def _recipe(self, device: torch.device, fidelity: float | None) -> Recipe:
        auto = torch.bfloat16 if device.type == "cuda" else None
        epochs = cast("int", self.epochs) if fidelity is None else max(1, round(fidelity))
        precision = {"auto": auto, "float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[self.precision]
        return Recipe(
            loss=self.loss or self.training_loss(),
            judged_loss=self.loss or self.judged_loss(),
            check=self.check_outputs,
            metrics={**self.own_metrics(), **{name: partial(_fresh, metric) for name, metric in self.metrics.items()}},
            goal=self.goal,
            epochs=epochs,
            horizon=max(epochs, cast("int", self.epochs)),
            batch_size=cast("int", self.batch_size),
            optimizer=cast("OptimizerLike", self.optimizer),
            lr=cast("float", self.lr),
            weight_decay=cast("float", self.weight_decay),
            momentum=cast("float", self.momentum),
            schedule=cast("ScheduleLike", self.schedule),
            warmup_epochs=cast("int", self.warmup_epochs),
            clip_norm=cast("float | None", self.clip_norm),
            precision=precision,
            patience=self.patience,
        )

    def _described_settings(self) -> dict[str, Any]:
        return {name: describe_setting(value) for name, value in self._settings().items() if name not in ("device", "keep_weights", "keep_checkpoints")}

    def _settings(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("train", "valid", "test")}

    def _data(self, name: str) -> TensorData | LoadedData:
        return getattr(self, name)


def _fresh(metric: Metric | Callable[[], Metric], outputs: Tensor) -> Metric:
    del outputs
    return metric.clone() if isinstance(metric, Metric) else metric()
