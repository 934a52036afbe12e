"""Distillation: a subnet learns from the outputs of a larger one."""

from torch import Tensor
from torch.nn.functional import mse_loss

__all__ = ["class_dimension", "distillation_loss"]


def class_dimension(outputs: Tensor, targets: Tensor) -> int | None:
    """Return the dimension along which outputs are scores of classes, for targets that are class numbers; None for any others.

    It is the second, as torch's cross-entropy has it, or the last: scores of (B, C) for targets of (B,), of (B, C, H, W) for (B, H, W), of
    (B, T, C) for (B, T).
    """
    if targets.is_floating_point() or targets.is_complex() or outputs.ndim != targets.ndim + 1:
        return None
    if (*outputs.shape[:1], *outputs.shape[2:]) == targets.shape:
        return 1
    return outputs.ndim - 1 if outputs.shape[:-1] == targets.shape else None


def distillation_loss(outputs: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
    """Return how far outputs are from those of a teacher, which no gradient reaches.

    Of scores of classes it is the cross-entropy with the teacher's softmax, averaged over samples; of anything else, such as a regression, the
    mean squared error.

    Args:
        outputs: The subnet's.
        teacher: The teacher's, of the same shape.
        targets: Of the data: they say whether outputs are scores, and are not learnt from.
    """
    dim = class_dimension(outputs, targets)
    if dim is None:
        return mse_loss(outputs, teacher.detach())
    return -(teacher.detach().softmax(dim) * outputs.log_softmax(dim)).sum(dim).mean()
