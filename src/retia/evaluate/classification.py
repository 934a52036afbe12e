"""The evaluator that trains a model to tell classes apart."""

from dataclasses import dataclass
from functools import partial
from typing import cast

from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from retia.errors import EvaluationError
from retia.evaluate.settings import Searched
from retia.evaluate.supervised import Loss, Supervised
from retia.evaluate.training import MetricFactory

__all__ = ["Classification"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Classification(Supervised):
    """Train a classifier: a model that returns a score for each class, (B, classes).

    It supplies `accuracy` and `loss` (cross-entropy) on the validation data, both of the epoch with the best accuracy, whose weights
    are kept; with `test` data `test_accuracy` and `test_loss` of the same weights; and `train_seconds`, `params`, `flops`, `macs`.
    Models with 2d convolutions train in channels-last order.

    A trial's fidelity is the epoch up to which it trains; the schedule of the learning rate is that of all `epochs` nonetheless, so that a trial can
    go on where one with a lower fidelity has ended. It comes to the same, to the bit on a CPU, as if it had been trained in one go. For that a
    trial with a fidelity keeps a checkpoint of its weights, its optimizer and its random numbers; `train_seconds` counts from the first epoch.

    Every setting may be a domain, such as `lr=Real(1e-4, 1e-1, log=True)`: then it is searched along with the architecture, as the
    parameter of that name.

    Args:
        train: `(x, y)` tensors or arrays, a `Dataset`, or a `DataLoader`. Tensors are batched without any Python for each sample.
        valid: The same, to judge by.
        test: The same, for measuring only.
        epochs: How often the training data is seen.
        batch_size: Of tensors and `Dataset`s; a `DataLoader` has its own.
        lr: The learning rate.
        optimizer: "adamw", "sgd", or a function `(parameters, lr) -> Optimizer`.
        weight_decay: Of weights of two or more dimensions.
        momentum: Of "sgd" (Nesterov).
        schedule: "cosine" (to 0), "constant", or a function `(optimizer, steps) -> LRScheduler`, stepped after each batch.
        warmup_epochs: Over how many epochs the learning rate rises from 0.
        clip_norm: The greatest norm of the gradient.
        precision: "auto" is bfloat16 autocast on a GPU and float32 elsewhere.
        patience: Stop after so many epochs without a better accuracy.
        metrics: Further torchmetrics, by name: a metric (a copy is taken) or a function that makes one.
        loss: A function `(outputs, targets) -> loss` in place of cross-entropy.
        device: Where to train; a GPU if there is one, if not given.
        keep_weights: Whether the trained weights are saved with the trial, for `trial.load()`.
        keep_checkpoints: Whether the checkpoint of a trial with a fidelity is kept for good. If not, it is removed once the strategy says that no trial
            will go on from it.
        inherit_weights: Whether a model starts from the weights of the one that it was derived from, as strategies that mutate say (see
            `retia.inherit`), and keeps computing what that did where it can.
        label_smoothing: Of the cross-entropy that is trained on.

    Raises:
        EvaluationError: If a setting or the data can't be.
    """

    label_smoothing: Searched[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss is not None and self.label_smoothing != 0:
            msg = f"'label_smoothing' is of the cross-entropy, but 'loss' is {self.loss!r}. Smooth in that function, with label_smoothing=0."
            raise EvaluationError(msg)

    @property
    def goal(self) -> tuple[str, bool]:
        """Accuracy, the more the better."""
        return "accuracy", True

    @property
    def class_targets(self) -> bool:
        """They are."""
        return True

    def training_loss(self) -> Loss:
        """Cross-entropy with label smoothing."""
        return partial(nn.functional.cross_entropy, label_smoothing=cast("float", self.label_smoothing))

    def judged_loss(self) -> Loss:
        """Cross-entropy."""
        return nn.functional.cross_entropy

    def check_outputs(self, outputs: Tensor, targets: Tensor) -> None:
        """See that there is a score for each class."""
        if outputs.ndim != 2 or outputs.shape[1] < 2:
            msg = f"A classifier returns a score for each class, of shape (B, classes), got {tuple(outputs.shape)}. Has the model its head?"
            raise EvaluationError(msg)
        known = (self._data(name).classes() for name in ("train", "valid", "test") if getattr(self, name) is not None)
        if outputs.shape[1] < (needed := max(int(targets.max()) + 1, *known)):
            msg = (
                f"The model returns {outputs.shape[1]} scores, but the targets go up to {needed - 1}, so there are at least {needed} classes. "
                f"Give its head {needed} outputs, or number the classes from 0."
            )
            raise EvaluationError(msg)

    def own_metrics(self) -> dict[str, MetricFactory]:
        """Accuracy."""
        return {"accuracy": _accuracy}


def _accuracy(outputs: Tensor) -> Metric:
    return MulticlassAccuracy(num_classes=outputs.shape[1], average="micro")
