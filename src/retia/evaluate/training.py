"""The evaluator that trains each model by gradient descent."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from torch import nn

from retia.cost import Costs, Example
from retia.errors import ArchitectureError, EvaluationError
from retia.evaluate.data import LoadedData, TensorData, as_data, describe_data
from retia.evaluate.inheritance import inherit_from_parent
from retia.evaluate.recipe import DATA, Recipe
from retia.evaluate.requirements import require_functions, require_inputs, require_weights
from retia.evaluate.settings import is_domain, require_settings
from retia.evaluate.trainer import Trainer
from retia.evaluate.weights import save_weights
from retia.nn import Resumption, misfit_of, remove_unfinished, seeded, tensors_of
from retia.space import Architecture, Domain
from retia.trial import CHECKPOINT, Buildable, Capabilities, Run, TrialStopped, as_json

__all__ = ["Training"]

_UNDESCRIBED = ("device", "keep_checkpoints", *DATA)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Training(Recipe):
    """Train each model by gradient descent, and measure it on validation data.

    It is also the recipe by which one-shot methods train a supernet. A batch is any nest of tensors: `inputs`
    returns the arguments of the model, `forward` the outputs, and `loss` the number to minimize. The presets
    `Classification`, `Regression` and `LanguageModeling` fill in these and more.

    Metrics are `loss` and `metrics` on the validation data, of the best epoch by `select`, whose weights are
    kept; the same with the prefix `test_` on `test` data; `train_seconds` and `params`; and `flops` and
    `macs` where they can be counted.

    The fidelity of a trial is the epoch up to which it trains. The learning-rate schedule is always that of
    all `epochs`, so that a trial which resumes one of a lower fidelity ends with the same result as one
    that was trained at once (bit for bit on a CPU). A setting may be a domain, such as
    `lr=Real(1e-4, 1e-1, log=True)`, which is searched along with the architecture; so may the fields of a
    `loss` that is a dataclass.

    Args:
        train: Training data: tensors or arrays in any nest, such as a pair `(x, y)`; a `Dataset`, a
            `DataLoader`, or a list of batches.
        valid: Validation data, of the same form.
        test: Test data, which is measured once, with the weights of the best epoch. Default: no test data.
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
            `metrics`. It must return the metric of `select`.
        metrics: Further torchmetrics by name, updated by outputs and targets: a metric (a copy is taken) or a
            function that makes one.
        derive: Function `metrics -> metrics` that computes further ones, such as a perplexity from the loss.
        distill: Function `(outputs, teacher_outputs, batch) -> Tensor`, the loss of learning from a teacher,
            for methods with distillation.
        select: Metric by which the best epoch is chosen (and the reward of ENAS), and "max" or "min". Default
            `("loss", "min")`.
        check: Function `(outputs, batch)` that raises an error if the first outputs do not fit the targets.
        epochs: Number of passes over the training data. Default 10.
        steps_per_epoch: Number of training steps after which an epoch ends. Each epoch begins with the first
            batch again, so shuffle a loader; a list gives the same batches always. Default: all the data.
        batch_size: Number of samples of a batch, for data that does not come in batches. Default 64.
        lr: Learning rate. Default 1e-3.
        optimizer: "adamw" (the default), "sgd", or a function `(parameters, lr) -> Optimizer`, or several
            optimizers for disjoint parameters.
        weight_decay: Weight decay of parameters with two or more dimensions. Default 1e-2.
        momentum: Nesterov momentum of "sgd". Default 0.9.
        schedule: "cosine" (to 0, the default), "constant", or a function
            `(optimizer, steps) -> LRScheduler`, which is stepped after each training step.
        warmup_epochs: Number of epochs during which the learning rate rises linearly from 0. Default 0.
        clip_norm: Maximum norm of the gradient. Default: no clipping.
        accumulate: Number of batches whose gradients, averaged by `weight`, make up one step. Default 1.
        precision: Data type of autocast: "auto" (bfloat16 on a GPU, float32 elsewhere), "float32",
            "bfloat16" or "float16".
        patience: Number of epochs without an improvement after which training stops. Default: never.
        example: Inputs with all their dimensions, for costs and checks, where the batch can't be cut to one
            sample, as for a graph.
        device: Device to train on. Default: a GPU if there is one.
        keep_checkpoints: Whether the checkpoints of finished trials are kept. Default: they are removed.
        inherit_weights: Whether a model starts with the weights of its parent (see
            `retia.evaluate.inherit`). Default: it does not.
        preset: Name in descriptions and errors.

    Raises:
        EvaluationError: If a setting, a function or the data is not valid; the message names the field.
    """

    def __post_init__(self) -> None:
        require_settings(self.preset, {**_fields(self.loss), **self._settings()})
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
        require_functions(self.preset, self._settings())
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
        self._take_data()
        self._require_example()

    def _take_data(self) -> None:
        """Read the data in whatever form it was given, and check it."""
        for data in DATA:
            given = getattr(self, data)
            if (data == "test" and given is None) or isinstance(given, TensorData | LoadedData):
                continue
            object.__setattr__(self, data, made := as_data(data, given))
            first = made.first()
            require_inputs(data, self.inputs(first))
            self.weigh(first)
            require_weights(data, made, self.weigh)

    def _require_example(self) -> None:
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
        shown = {name: getattr(self, name) for name in DATA if getattr(self, name) is not None}
        for one in fields(self):
            value = getattr(self, one.name)
            if (
                one.name not in (*DATA, "preset")
                and one.default is not MISSING
                and value != one.default
                and not callable(value)
            ):
                shown[one.name] = value
        return f"{self.preset}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

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
        data = {name: describe_data(self.data(name)) for name in DATA if getattr(self, name) is not None}
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

    def _described_settings(self) -> dict[str, Any]:
        return {name: as_json(value) for name, value in self._settings().items() if name not in _UNDESCRIBED}

    def _settings(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in DATA}


def _fields(value: Any) -> dict[str, Any]:
    return (
        {one.name: getattr(value, one.name) for one in fields(value)}
        if is_dataclass(value) and not isinstance(value, type)
        else {}
    )
