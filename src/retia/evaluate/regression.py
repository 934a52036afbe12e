"""The evaluator that trains a model to return numbers."""

from dataclasses import dataclass

from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, Metric, R2Score

from retia.errors import EvaluationError
from retia.evaluate.supervised import Loss, Supervised
from retia.evaluate.training import MetricFactory

__all__ = ["Regression"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Regression(Supervised):
    """Train a model that returns numbers of the shape of the targets.

    It supplies `loss` (mean squared error), `mae` and `r2` on the validation data, of the epoch with the least loss, whose weights
    are kept. The rest is as of `Classification`.

    Raises:
        EvaluationError: If a setting or the data can't be.
    """

    @property
    def goal(self) -> tuple[str, bool]:
        """Loss, the less the better."""
        return "loss", False

    @property
    def class_targets(self) -> bool:
        """They are not."""
        return False

    def training_loss(self) -> Loss:
        """Mean squared error."""
        return nn.functional.mse_loss

    def judged_loss(self) -> Loss:
        """Mean squared error."""
        return nn.functional.mse_loss

    def check_outputs(self, outputs: Tensor, targets: Tensor) -> None:
        """See that the shapes are the same."""
        if outputs.shape != targets.shape:
            msg = (
                f"A regression's outputs have the shape of its targets, {tuple(targets.shape)}, got {tuple(outputs.shape)}. "
                f"For one number a sample give targets of shape (N, 1), y.unsqueeze(1), or let the model return outputs.squeeze(1)."
            )
            raise EvaluationError(msg)

    def own_metrics(self) -> dict[str, MetricFactory]:
        """Mean absolute error, and the coefficient of determination."""
        return {"mae": _absolute_error, "r2": _determination}


def _absolute_error(outputs: Tensor) -> Metric:
    del outputs
    return MeanAbsoluteError()


def _determination(outputs: Tensor) -> Metric:
    del outputs
    return R2Score()
