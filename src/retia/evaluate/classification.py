"""The preset for classification."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torchmetrics import Metric

from retia.errors import EvaluationError
from retia.evaluate.class_targets import ClassTargets
from retia.evaluate.data import Data, LoadedData, TensorData
from retia.evaluate.outputs import TensorOutputs
from retia.evaluate.preset import preset_data, preset_metrics
from retia.evaluate.recipe import Loss
from retia.evaluate.requirements import require_names, require_weights
from retia.evaluate.settings import Searched
from retia.evaluate.training import Training
from retia.nn import Batch, Nest, inputs_of, targets_of

__all__ = ["Accuracy", "ClassScores", "Classification", "CrossEntropy"]

IGNORED = -100
"""Class number of targets that do not count, as in PyTorch."""

_COLUMN = "Give the targets without their dimension of length 1: y.squeeze(1)."


def Classification(  # noqa: N802  # a preset reads like the class that it makes
    train: Data,
    valid: Data,
    *,
    test: Data | None = None,
    label_smoothing: Searched[float] = 0.0,
    class_weights: Sequence[float] | Tensor | None = None,
    ignore_index: int = IGNORED,
    class_dim: int | None = None,
    multilabel: bool = False,
    loss: Loss | None = None,
    inputs: Callable[[Batch], Nest] = inputs_of,
    targets: Callable[[Batch], Nest] = targets_of,
    forward: Callable[[nn.Module, Batch], Any] | None = None,
    metrics: Mapping[str, Metric | Callable[[], Metric]] | None = None,
    **settings: Any,
) -> Training:
    """Return a `Training` of classifiers: models that return a score for each class.

    Targets are class numbers (N, ...), such as one for a token or a pixel; scores have one dimension more,
    the second or the last. Metrics are `accuracy` and `loss` of the epoch with the best accuracy.

    Args:
        train: Training data, as `Training` takes it.
        valid: Validation data.
        test: Test data.
        label_smoothing: Label smoothing of the training loss, in [0, 1). Default 0.
        class_weights: Weight of each class in the loss; for `multilabel` of each label's positive samples.
        ignore_index: Class number of targets that do not count. Default -100.
        class_dim: Dimension of the classes in the scores, 1 or -1. Default: found by the shapes.
        multilabel: Whether targets are 0 or 1 for each label, of the shape of the outputs.
        loss: Function `(outputs, batch) -> Tensor` of scores (N, classes, ...). Default: cross-entropy.
        inputs: Function `batch -> inputs`.
        targets: Function `batch -> targets`.
        forward: Function `(model, batch) -> outputs`.
        metrics: Further torchmetrics by name, of scores (N, classes, ...) and class numbers (N, ...).
        settings: Further settings of `Training`.

    Raises:
        EvaluationError: If a setting or the data is not valid.
    """
    require_names(settings.get("preset", "Classification"), settings, Classification, Training)
    _require_arguments(class_dim, ignore_index, multilabel=multilabel)
    _require_cross_entropy(loss, label_smoothing, class_weights)
    data = preset_data(inputs, train, valid, test)
    labels = ClassTargets(targets, ignore_index=ignore_index, multilabel=multilabel)
    own = _objective(data, labels, label_smoothing, class_weights, loss)
    return Training(
        **data,
        **{**own, **settings},
        inputs=inputs,
        targets=labels,
        forward=ClassScores(TensorOutputs(inputs, forward), labels, class_dim),
        metrics=preset_metrics("Classification", {"accuracy": Accuracy(labels)}, metrics),
    )


def _require_arguments(class_dim: int | None, ignore_index: int, *, multilabel: bool) -> None:
    """Reject arguments of `Classification` that contradict each other."""
    if multilabel and ignore_index != IGNORED:
        msg = (
            f"'ignore_index' is a class number, and multilabel=True has labels 0 or 1, got {ignore_index}. "
            "Leave it out, and give loss= if some labels do not count."
        )
        raise EvaluationError(msg)
    if class_dim not in (None, 1, -1) or (class_dim is not None and multilabel):
        msg = (
            f"'class_dim' is the dimension of the classes in the scores, 1 or -1, got {class_dim!r}"
            f"{' with multilabel=True, whose labels are in dimension 1' if multilabel else ''}. "
            "Give one of these, or leave it out."
        )
        raise EvaluationError(msg)


def _require_cross_entropy(
    loss: Loss | None, label_smoothing: Searched[float], class_weights: Sequence[float] | Tensor | None
) -> None:
    """Reject settings of the cross-entropy beside another loss, on which they have no effect."""
    given = {"label_smoothing": label_smoothing != 0, "class_weights": class_weights is not None}
    for name in (name for name, is_given in given.items() if is_given and loss is not None):
        msg = (
            f"'{name}' is a setting of the cross-entropy, but 'loss' is {loss!r}. "
            f"Do it in that function, and leave '{name}' out."
        )
        raise EvaluationError(msg)


def _objective(
    data: Mapping[str, TensorData | LoadedData],
    labels: ClassTargets,
    label_smoothing: Searched[float],
    class_weights: Sequence[float] | Tensor | None,
    loss: Loss | None,
) -> dict[str, Any]:
    """Return the settings of `Training` that follow from the targets and the cross-entropy.

    Raises:
        EvaluationError: If a target is not a class number, no target counts, or a class has no weight.
    """
    classes = max(
        labels.checked(name, batch) for name, one in data.items() for batch in one.in_memory or [one.first()]
    )
    weights = None if class_weights is None else tuple(torch.as_tensor(class_weights).tolist())
    if weights is not None and len(weights) < classes:
        msg = (
            f"'class_weights' has {len(weights)} weights, but the targets need at least {classes} classes. "
            "Give a weight for each class."
        )
        raise EvaluationError(msg)
    trained = CrossEntropy(labels, label_smoothing=label_smoothing, class_weights=weights)
    for name, one in data.items():
        require_weights(name, one, trained.weight)
    return {
        "loss": loss or trained,
        "valid_loss": loss or replace(trained, label_smoothing=0.0),
        "weight": trained.weight,
        "distill": trained.distilled,
        "select": ("accuracy", "max"),
        "check": _Check(labels, classes, weights),
        "preset": "Classification",
    }


@dataclass(frozen=True)
class ClassScores:
    """The outputs of a classifier with the classes in dimension 1.

    Raises:
        EvaluationError: When called, if the classes may be in two dimensions, or are not in `class_dim`.
    """

    outputs: TensorOutputs
    labels: ClassTargets
    class_dim: int | None = None

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the scores, (N, classes, ...)."""
        scores = self.outputs(model, batch)
        if self.labels.multilabel or scores.ndim <= 2:
            return scores
        shape = self.labels(batch).shape
        if self.class_dim is not None:
            moved = scores.movedim(self.class_dim, 1)
            if (*moved.shape[:1], *moved.shape[2:]) != shape:
                form = "(B, classes, ...)" if self.class_dim == 1 else "(B, ..., classes)"
                msg = (
                    f"With class_dim={self.class_dim} scores are {form} for targets (B, ...), "
                    f"got {tuple(scores.shape)} for targets of shape {tuple(shape)}. "
                    "Return such scores, (B, T, vocabulary) for a language model, or set class_dim."
                )
                raise EvaluationError(msg)
            return moved
        second, last = (*scores.shape[:1], *scores.shape[2:]) == shape, scores.shape[:-1] == shape
        if second and last:
            msg = (
                f"Scores of shape {tuple(scores.shape)} for targets of shape {tuple(shape)} may have their "
                "classes in the second dimension or the last. "
                f"Say which: class_dim=1 or class_dim=-1."
            )
            raise EvaluationError(msg)
        return scores.movedim(-1, 1) if last else scores


@dataclass(frozen=True)
class CrossEntropy:
    """The cross-entropy of class numbers, or the binary cross-entropy of each label.

    Args:
        labels: The targets of a batch.
        label_smoothing: Share of the target that is spread over all classes.
        class_weights: Weight of each class.
    """

    labels: ClassTargets
    label_smoothing: Searched[float] = 0.0
    class_weights: tuple[float, ...] | None = None

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the targets that count, by class weight."""
        targets, weights = self.labels(batch), self._weights(outputs)
        smoothing = cast("float", self.label_smoothing)
        if self.labels.multilabel:
            soft = (
                targets.to(outputs.dtype) * (1 - smoothing) + smoothing / 2
                if smoothing
                else targets.to(outputs.dtype)
            )
            # Torch spreads weights over the last dimension; the labels are in the second.
            weights = None if weights is None else weights.view(-1, *[1] * (outputs.ndim - 2))
            return binary_cross_entropy_with_logits(outputs, soft, pos_weight=weights)
        # A loader may yield a greater class number late. On a GPU torch would abort the process.
        if outputs.device.type != "cpu":
            _require_scores(outputs, self.labels.class_count(targets))
        ignored = self.labels.ignore_index
        try:
            return cross_entropy(
                outputs, targets, weight=weights, ignore_index=ignored, label_smoothing=smoothing
            )
        except IndexError:
            _require_scores(outputs, self.labels.class_count(targets))
            raise

    def weight(self, batch: Batch) -> float:
        """Return the number of targets that count, each by its class weight: what the mean is divided by."""
        targets = self.labels(batch)
        if self.labels.multilabel or (self.class_weights is None and not self.labels.ignores):
            return float(targets.numel())
        counted = targets != self.labels.ignore_index
        if self.class_weights is None:
            return float(counted.count_nonzero())
        return float(torch.tensor(self.class_weights, device=targets.device)[targets[counted]].sum())

    def distilled(self, outputs: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy with the teacher's probabilities, without a gradient of the teacher."""
        teacher = teacher.detach()
        if self.labels.multilabel:
            return binary_cross_entropy_with_logits(outputs, teacher.sigmoid())
        each = -(teacher.softmax(1) * outputs.log_softmax(1)).sum(1)  # (N, ...)
        counts = self.labels(batch) != self.labels.ignore_index
        return each.mean() if not self.labels.ignores else (each * counts).sum() / counts.sum()

    def _weights(self, outputs: Tensor) -> Tensor | None:
        return (
            None
            if self.class_weights is None
            else torch.tensor(self.class_weights, device=outputs.device, dtype=outputs.dtype)
        )


class Accuracy(Metric):
    """The share of targets with the greatest score, or of labels whose score has the right sign."""

    full_state_update = False
    right: Tensor
    count: Tensor

    def __init__(self, labels: ClassTargets) -> None:
        super().__init__()
        self.labels = labels
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take up scores (N, classes, ...) and class numbers (N, ...)."""
        if self.labels.multilabel:
            right, counts = (outputs > 0) == (targets > 0), torch.ones_like(targets, dtype=torch.bool)
        else:
            right, counts = outputs.argmax(1) == targets, targets != self.labels.ignore_index
        self.right = self.right + (right & counts).sum()
        self.count = self.count + counts.sum()

    def compute(self) -> Tensor:
        """Return the share."""
        return self.right / self.count


@dataclass(frozen=True)
class _Check:
    """Check that there is a score for each class and each target."""

    labels: ClassTargets
    classes: int
    class_weights: tuple[float, ...] | None = None

    def __call__(self, outputs: Tensor, batch: Batch) -> None:
        targets = self.labels(batch)
        multilabel = self.labels.multilabel
        expected = targets.shape if multilabel else (*outputs.shape[:1], *outputs.shape[2:])
        if (outputs.shape if multilabel else targets.shape) != expected or (
            not multilabel and outputs.shape[1:2] < (2,)
        ):
            shape = (
                "of the shape of the targets"
                if multilabel
                else "of shape (B, classes, ...) for targets (B, ...)"
            )
            column = targets.ndim == outputs.ndim and targets.shape[1:2] == (1,) and not multilabel
            msg = (
                f"A classifier returns a score for each class, {shape}, got {tuple(outputs.shape)} for "
                f"targets of shape {tuple(targets.shape)}. "
                f"{_COLUMN if column else 'Is the classification head missing?'}"
            )
            raise EvaluationError(msg)
        if not multilabel:
            _require_scores(outputs, max(self.classes, self.labels.class_count(targets)))
        if self.class_weights is not None and len(self.class_weights) != outputs.shape[1]:
            msg = (
                f"'class_weights' has {len(self.class_weights)} weights, but the model returns "
                f"{outputs.shape[1]} scores. Give a weight for each class."
            )
            raise EvaluationError(msg)


def _require_scores(outputs: Tensor, classes: int) -> None:
    """Check that there are scores (B, classes, ...) for a number of classes."""
    if outputs.shape[1] < classes:
        msg = (
            f"The model returns {outputs.shape[1]} scores, but the targets go up to {classes - 1}, "
            f"so there are at least {classes} classes. "
            f"Give its head {classes} outputs, or number the classes from 0."
        )
        raise EvaluationError(msg)
