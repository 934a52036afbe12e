"""How models of a space are trained and judged: the one recipe that every consumer takes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from retia.cost import Costs, Example
from retia.errors import ArchitectureError, EvaluationError
from retia.evaluate.checks import (
    check_functions,
    check_inputs,
    check_scalar,
    check_weights,
    judged_metrics,
)
from retia.evaluate.data import Data, LoadedData, TensorData, as_data, describe_data
from retia.evaluate.inheritance import inherit_from_parent
from retia.evaluate.measurement import Measurement
from retia.evaluate.optimization import OptimizerLike, ScheduleLike, make_optimizers, make_schedule
from retia.evaluate.settings import Searched, check_settings, is_domain
from retia.evaluate.weights import save_weights
from retia.nn import (
    Batch,
    Nest,
    Resumption,
    inputs_of,
    misfit_of,
    remove_unfinished,
    run_on,
    sample_count,
    seeded,
    targets_of,
    tensors_of,
)
from retia.space import Architecture, Domain
from retia.trial import CHECKPOINT, Buildable, Capabilities, Run, TrialStopped, as_json

__all__ = ["Loss", "Training", "memory_format_of"]

Loss: TypeAlias = Callable[[Any, Batch], Tensor]
"""Of a model's outputs and the batch, a number to minimize."""

_DATA = ("train", "valid", "test")
_UNDESCRIBED = ("device", "keep_checkpoints", *_DATA)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Training:
    """Train models by gradient descent and measure them on validation data; also the recipe by which one-shot
    methods train a supernet.

    A batch is any nest of tensors. Three functions say what is made of it: `inputs` gives the arguments of
    the model, `forward` the outputs, `loss` what is minimized. `Classification`, `Regression` and
    `LanguageModeling` are presets, which fill in these and more.

    It supplies the `metrics` and `loss` on the validation data, both of the epoch that `select` prefers,
    whose weights are kept; with `test` data the same with the prefix `test_`; and `train_seconds`, `params`,
    and, where it can be counted, `flops` and `macs`.

    A trial's fidelity is the epoch up to which it trains. The learning-rate schedule is that of all `epochs`
    nonetheless, so that a trial can go on where one with a lower fidelity has ended, to the same result, to
    the bit on a CPU, as if it had been trained in one go. Every number or name among the settings may be a
    domain, such as `lr=Real(1e-4, 1e-1, log=True)`; it is then searched along with the architecture. So may
    the fields of a `loss` that is a dataclass.

    Args:
        train: Training data: tensors or arrays in any nest, mostly a pair `(x, y)`; a `Dataset`, a
            `DataLoader`, or a list of batches.
        valid: Validation data, of the same form.
        test: Data for measuring only.
        loss: Function `(outputs, batch) -> Tensor`, a scalar.
        inputs: Function `batch -> inputs`: a tensor, a tuple of positional arguments, or a mapping of keyword
            arguments. Default: the first of a pair, or a mapping without its labels.
        targets: Function `batch -> targets`, for `metrics`. Default: the second of a pair, or the labels of a
            mapping.
        forward: Function `(model, batch) -> outputs`. Default: the model called with the inputs.
        valid_loss: Function like `loss` that is reported. Default: `loss`.
        weight: Function `batch -> number` of terms over which `loss` averages, by which batches are averaged.
            Default: the number of samples, which is the length of the targets, or else an attribute
            `num_graphs` or `batch_size` of the batch, or else the first dimension of its tensors.
        judge: Function `(model, batches) -> metrics` that replaces the measurement by `valid_loss` and
            `metrics`.
        metrics: Further torchmetrics by name, updated by outputs and targets: a metric (a copy is taken) or a
            function that makes one.
        derive: Function `metrics -> metrics` that computes further ones, such as a perplexity from the loss.
        distill: Function `(outputs, teacher_outputs, batch) -> Tensor`, the loss of learning from a teacher,
            for methods that do.
        select: Metric of the best epoch (and of the reward of ENAS), and "max" or "min".
        check: Function `(outputs, batch)` that raises an error if the first outputs do not fit the targets.
        epochs: Number of passes over the training data.
        steps_per_epoch: Number of training steps after which an epoch ends. Default: all the training data.
        batch_size: Number of samples, for data that does not come in batches.
        lr: Learning rate.
        optimizer: "adamw", "sgd", or a function `(parameters, lr) -> Optimizer` or several, each for
            parameters of its own.
        weight_decay: Weight decay of parameters with two or more dimensions.
        momentum: Momentum of "sgd" (Nesterov).
        schedule: "cosine" (to 0), "constant", or a function `(optimizer, steps) -> LRScheduler`, stepped
            after each training step.
        warmup_epochs: Number of epochs during which the learning rate rises from 0.
        clip_norm: Greatest norm of the gradient.
        accumulate: Number of batches whose gradients make up one step, each by its `weight`.
        precision: Data type of autocast; "auto" is bfloat16 on a GPU and float32 elsewhere.
        patience: Number of epochs without a better result after which training stops.
        example: Inputs with all their dimensions, for costs and checks, where the batch can't be cut to one
            sample, as for a graph.
        device: Where to train. Default: a GPU if there is one.
        keep_checkpoints: Whether the states from which trainings go on are kept for good.
        inherit_weights: Whether a model starts from the weights of the one that it was derived from (see
            `retia.evaluate.inherit`).
        preset: Name in descriptions and errors.

    Raises:
        EvaluationError: If a setting or the data is not valid.
    """

    train: Data = field(kw_only=False)
    valid: Data = field(kw_only=False)
    test: Data | None = None
    loss: Loss
    inputs: Callable[[Batch], Nest] = inputs_of
    targets: Callable[[Batch], Nest] = targets_of
    forward: Callable[[nn.Module, Batch], Any] | None = None
    valid_loss: Loss | None = None
    weight: Callable[[Batch], float] | None = None
    judge: Callable[[nn.Module, Iterable[Batch]], Mapping[str, float]] | None = None
    metrics: Mapping[str, Metric | Callable[..., Metric]] = field(default_factory=dict[str, Any])
    derive: Callable[[Mapping[str, float]], Mapping[str, float]] | None = None
    distill: Callable[[Any, Any, Batch], Tensor] | None = None
    select: tuple[str, Literal["max", "min"]] = ("loss", "min")
    check: Callable[[Any, Batch], None] | None = None
    epochs: Searched[int] = 10
    steps_per_epoch: int | None = None
    batch_size: Searched[int] = 64
    lr: Searched[float] = 1e-3
    optimizer: Searched[OptimizerLike] = "adamw"
    weight_decay: Searched[float] = 1e-2
    momentum: Searched[float] = 0.9
    schedule: Searched[ScheduleLike] = "cosine"
    warmup_epochs: Searched[int] = 0
    clip_norm: Searched[float] | None = None
    accumulate: Searched[int] = 1
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    patience: int | None = None
    example: Nest | None = None
    device: str | None = None
    keep_checkpoints: bool = False
    inherit_weights: bool = False
    preset: str = "Training"

    def __post_init__(self) -> None:
        check_settings(self.preset, {**_fields(self.loss), **self._settings()})
        if (
            isinstance(self.loss, nn.modules.loss._Loss)
            or getattr(self.loss, "__module__", "") == "torch.nn.functional"
            or not callable(self.loss)
        ):
            msg = (
                f"'loss' of {self.preset} is a function of outputs and the batch, got {self.loss!r}. "
                "Call a loss of torch in one: loss=lambda outputs, batch: nn.functional.mse_loss(outputs, "
                "batch[1])."
            )
            raise EvaluationError(msg)
        check_functions(self.preset, self._settings())
        if self.warmup_epochs != 0 and callable(self.schedule):
            msg = (
                "'warmup_epochs' is part of 'cosine' and 'constant', but 'schedule' is a function, "
                f"{self.schedule!r}. Let the function warm up, with warmup_epochs=0."
            )
            raise EvaluationError(msg)
        reserved = {"loss", "train_seconds", "params", "flops", "macs"}
        if clash := {*self.metrics} & reserved:
            msg = (
                f"{self.preset} supplies {sorted(clash)} itself, so a metric in 'metrics' needs another "
                "name. Rename it."
            )
            raise EvaluationError(msg)
        name, direction = self.select
        if direction not in ("max", "min") or (
            self.metric_names is not None and name not in self.metric_names
        ):
            msg = (
                f"'select' of {self.preset} is a metric, of {list(self.metric_names or ())}, "
                f'and "max" or "min", got {self.select!r}.'
            )
            raise EvaluationError(msg)
        for data in _DATA:
            given = getattr(self, data)
            if (data == "test" and given is None) or isinstance(given, TensorData | LoadedData):
                continue
            object.__setattr__(self, data, made := as_data(data, given))
            first = made.first()
            check_inputs(data, self.inputs(first))
            self.weigh(first)
            check_weights(data, made, self.weigh)
        self._check_example()

    def _check_example(self) -> None:
        inputs = self.example_inputs
        tensors = list(tensors_of(inputs))
        if self.example is None and not (tensors and all(tensor.ndim for tensor in tensors)):
            msg = (
                f"The inputs of a batch of 'train' are a {type(inputs).__name__}, which can't be cut to one "
                f"sample to count costs. Give {self.preset} what the model takes, with all its dimensions, "
                "as example=(tensor, ...); or set 'inputs' to a function that returns such tensors."
            )
            raise EvaluationError(msg)

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in _DATA if getattr(self, name) is not None}
        for one in fields(self):
            value = getattr(self, one.name)
            if (
                one.name not in (*_DATA, "preset")
                and one.default is not MISSING
                and value != one.default
                and not callable(value)
            ):
                shown[one.name] = value
        return f"{self.preset}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    # --- what every consumer takes

    def outputs(self, model: nn.Module, batch: Batch) -> Any:
        """Return what a model gives for a batch, in the precision of the training."""
        with self._autocast():
            try:
                return (
                    run_on(model, self.inputs(batch)) if self.forward is None else self.forward(model, batch)
                )
            except ValueError as error:
                if "Expected more than 1 value per channel" not in str(error):
                    raise
                msg = (
                    "Batch normalization can't train on a batch of one sample, which the training data has. "
                    f"Leave such a last batch out: DataLoader(..., drop_last=True). {error}"
                )
                raise EvaluationError(msg) from error

    def weigh(self, batch: Batch) -> float:
        """Return the number of terms over which the loss of a batch averages.

        Raises:
            EvaluationError: If `weight` is not given, and nothing tells the number of samples.
        """
        return float(sample_count(batch, self.targets) if self.weight is None else self.weight(batch))

    def loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        """Return the loss of a model's outputs for a batch, from which gradients are taken.

        Raises:
            EvaluationError: If `loss` does not return a scalar that depends on the model's weights.
        """
        loss = self.loss(outputs, batch)
        check_scalar(self.preset, "loss", loss)
        if not loss.requires_grad and torch.is_grad_enabled():
            msg = (
                f"'loss' of {self.preset} returns a number without a gradient: it does not depend on the "
                "model's weights. Compute it from the outputs, without detach(), item() or no_grad()."
            )
            raise EvaluationError(msg)
        return loss

    def measure(self, model: nn.Module, data: "TensorData | LoadedData | None" = None) -> dict[str, float]:
        """Return the metrics of a model as it is, in evaluation mode, on the validation data or other data.

        Raises:
            EvaluationError: If no target of the data counts.
        """
        model.eval()
        own = data is None
        data = self.data("valid") if data is None else data
        batches = data.placed(self.place, memory_format_of(model)).batches(4 * cast("int", self.batch_size))
        with torch.no_grad(), data.rewound():
            if self.judge is not None:
                with self._autocast():
                    return judged_metrics(self.preset, self.select[0], self.judge(model, batches))
            measurement = self._measurement()
            for batch in batches:
                measurement.update(self.outputs(model, batch), batch)
        if not measurement.count:
            msg = (
                f"No target of the {'validation ' if own else ''}data counts, so there is no loss. "
                "Give data whose targets are not all ignored."
            )
            raise EvaluationError(msg)
        return measurement.compute()

    def reward(self, model: nn.Module, batch: Batch) -> float:
        """Return how good a model in its present mode is on a batch: the metric of `select`, or exp(-metric)
        where less of it is better.
        """
        name, direction = self.select
        with torch.no_grad():
            if self.judge is not None:
                with self._autocast():
                    value = judged_metrics(self.preset, name, self.judge(model, [batch]))[name]
            else:
                measurement = self._measurement()
                measurement.update(self.outputs(model, batch), batch)
                value = measurement.compute()[name]
        if not math.isfinite(value):
            return 0.0
        if direction == "max":
            return value
        return math.exp(-value) if value >= 0 else 1 - value

    def distilled(self, outputs: Any, teacher: Any, batch: Batch) -> Tensor:
        """Return the loss of learning from a teacher's outputs.

        Raises:
            EvaluationError: If the training does not say how.
        """
        if self.distill is None:
            msg = (
                f"{self.preset} does not say how a model learns from a teacher. "
                "Give it distill=lambda outputs, teacher, batch: ..., or take a method without."
            )
            raise EvaluationError(msg)
        return self.distill(outputs, teacher, batch)

    def optimizers(self, model: nn.Module, *, partial: bool = False) -> tuple[Optimizer, ...]:
        """Make the optimizers of a model's parameters; `partial` says that a step may leave some without a
        gradient, as in a supernet.
        """
        return make_optimizers(
            cast("OptimizerLike", self.optimizer),
            model,
            lr=cast("float", self.lr),
            weight_decay=cast("float", self.weight_decay),
            momentum=cast("float", self.momentum),
            partial=partial,
        )

    def schedules(self, optimizers: Sequence[Optimizer], steps: int, *, epochs: int) -> list[LRScheduler]:
        """Make the learning-rate schedules of optimizers for a number of steps in so many epochs; each is
        stepped after each step.
        """
        warmup = round(steps * cast("int", self.warmup_epochs) / epochs)
        return [
            make_schedule(cast("ScheduleLike", self.schedule), one, steps=steps, warmup=warmup)
            for one in optimizers
        ]

    def steps(self, data: TensorData | LoadedData) -> int:
        """Return the number of training steps in an epoch over data."""
        steps = -(-data.steps(cast("int", self.batch_size)) // cast("int", self.accumulate))
        return steps if self.steps_per_epoch is None else min(steps, self.steps_per_epoch)

    def on(self, device: torch.device, memory_format: torch.memory_format = torch.preserve_format) -> Self:
        """Return the training with its data on a device, and images in a memory format."""
        placed = {
            name: self.data(name).placed(device, memory_format)
            for name in _DATA
            if getattr(self, name) is not None
        }
        return replace(self, device=str(device), **placed)

    def data(self, name: str) -> TensorData | LoadedData:
        """Return the data of a name, such as "train"."""
        return getattr(self, name)

    @property
    def example_inputs(self) -> Nest:
        """The inputs of a first batch of the training data, or `example`."""
        return self.inputs(self.data("train").first()) if self.example is None else self.example

    @property
    def place(self) -> torch.device:
        """The device to train on."""
        return torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @property
    def autocast(self) -> torch.dtype | None:
        """The data type of autocast; None for float32."""
        auto = torch.bfloat16 if self.place.type == "cuda" else None
        return {"auto": auto, "float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[
            self.precision
        ]

    @property
    def metric_names(self) -> tuple[str, ...] | None:
        """The names of what is measured on data; None where `judge` alone knows."""
        if self.judge is not None:
            return None
        names = (*self.metrics, "loss")
        return names if self.derive is None else (*names, *self.derive(dict.fromkeys(names, 0.0)))

    # --- what a study asks of an evaluator

    def capabilities(self) -> Capabilities:
        """Return the metrics, costs, epochs and searched settings, and that a promoted trial continues."""
        costs, judged = self.costs(), self.metric_names
        tested = tuple(f"test_{name}" for name in judged or ()) if self.test is not None else ()
        return Capabilities(
            metrics=None if judged is None else (*judged, *tested, "train_seconds", *costs.metrics),
            costs=costs,
            parameters=self.parameters(),
            full_fidelity=None if is_domain(self.epochs) else float(cast("int", self.epochs)),
            training=self.training,
            resumes=True,
            inherits=self.inherit_weights,
            builds=True,
            example=costs.example,
            release=self.release,
            settings=self.describe,
        )

    def parameters(self) -> Mapping[str, Domain]:
        """Return the settings that are searched, by field."""
        return {
            name: value
            for name, value in {**self._settings(), **_fields(self.loss)}.items()
            if is_domain(value)
        }

    def costs(self) -> Costs:
        """Return what counts a model's costs on the shape of this data."""
        return Costs(Example.of(self.example_inputs) if self.example is None else Example.whole(self.example))

    def describe(self) -> dict[str, Any]:
        """Return the settings that results depend on as JSON; data by shape and checksum."""
        data = {name: describe_data(self.data(name)) for name in _DATA if getattr(self, name) is not None}
        return {"type": self.preset, **data, **self._described_settings()}

    def release(self, directory: Path) -> None:
        """Remove a trial's checkpoint, which no trial will go on from, unless checkpoints are to be kept."""
        if not self.keep_checkpoints:
            (directory / CHECKPOINT).unlink(missing_ok=True)
        remove_unfinished(directory)

    def training(self) -> "Training":
        """Return the recipe for a method that trains a supernet itself: this one.

        Raises:
            EvaluationError: If a setting is searched: a supernet is trained once.
        """
        if searched := self.parameters():
            name, domain = next(iter(searched.items()))
            msg = (
                f"'{name}' of {self.preset} is searched ({domain}), but a supernet is trained once, "
                "with one value. Give it a value."
            )
            raise EvaluationError(msg)
        return self

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Build the architecture's model, train it, and return the metrics of its best epoch.

        Raises:
            ArchitectureError: If the architecture lacks a setting that is searched.
            EvaluationError: If the space builds no models, the model's outputs do not fit the targets, or
                training diverges.
        """
        searched = self.parameters()
        if missing := searched.keys() - architecture.keys():
            name = min(missing)
            msg = (
                f"'{name}' of {self.preset} is searched ({searched[name]}), "
                f"but the architecture has no value for it: {dict(architecture)}. "
                "Take architectures from the study's space, which space.extend(evaluator.parameters()) "
                "makes."
            )
            raise ArchitectureError(msg)
        return self._chosen({name: architecture[name] for name in searched})._evaluate(architecture, run)

    def _chosen(self, values: Mapping[str, Any]) -> Self:
        if not values:
            return self
        of_loss = {name: value for name, value in values.items() if name in _fields(self.loss)}
        loss = replace(cast("Any", self.loss), **of_loss) if of_loss else self.loss
        return replace(
            self, loss=loss, **{name: value for name, value in values.items() if name not in of_loss}
        )

    def _evaluate(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        from retia.evaluate.trainer import Trainer

        space = run.space
        if not isinstance(space, Buildable):
            msg = (
                f"{self.preset} trains models, but the space ({type(space).__name__}) builds none. "
                "Search a ModelSpace."
            )
            raise EvaluationError(msg)
        costs = self.costs()(architecture, run)
        resumption = Resumption(
            run, CHECKPOINT, {"architecture": dict(architecture), "training": self._described_settings()}
        )
        with resumption.settled(TrialStopped):
            with seeded(run.seed):
                model: nn.Module = space.build(architecture)
                state = resumption.found(lambda state: misfit_of(model, state["parts"]["model"]))
                if self.inherit_weights and state is None and run.resume_from is None:
                    inherit_from_parent(model, run, self.example_inputs)
                trainer = Trainer(model, replace(self, device=run.device or self.device), seed=run.seed)
                metrics = trainer.fit(run.report, fidelity=run.fidelity, state=state, resumption=resumption)
                if self.test is not None:
                    metrics |= {
                        f"test_{name}": value
                        for name, value in self.measure(trainer.model, trainer.training.data("test")).items()
                    }
            save_weights(trainer.model, run)
        return {**metrics, "train_seconds": trainer.seconds, **costs}

    def _autocast(self) -> torch.autocast:
        dtype = self.autocast
        return torch.autocast(self.place.type, dtype=dtype, enabled=dtype is not None)

    def _measurement(self) -> Measurement:
        return Measurement(
            loss=self._measured_loss,
            weight=self.weigh,
            targets=self.targets,
            metrics=self.metrics,
            derive=self.derive,
            device=self.place,
        )

    def _measured_loss(self, outputs: Any, batch: Batch) -> Tensor:
        loss = (self.valid_loss or self.loss)(outputs, batch)
        if not isinstance(loss, float):
            check_scalar(self.preset, "loss" if self.valid_loss is None else "valid_loss", loss)
        return loss

    def _described_settings(self) -> dict[str, Any]:
        return {name: as_json(value) for name, value in self._settings().items() if name not in _UNDESCRIBED}

    def _settings(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _DATA}


def memory_format_of(model: nn.Module) -> torch.memory_format:
    """Return the memory format in which a model's convolutions run fastest: up to half again as fast on the
    CPU, and on tensor cores.
    """
    convolves = any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in model.modules())
    return torch.channels_last if convolves else torch.preserve_format


def _fields(value: Any) -> dict[str, Any]:
    return (
        {one.name: getattr(value, one.name) for one in fields(value)}
        if is_dataclass(value) and not isinstance(value, type)
        else {}
    )
