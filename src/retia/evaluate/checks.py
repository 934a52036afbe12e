"""Looking at data before anything is trained on it."""

import torch
from torch import Tensor

from retia.errors import EvaluationError

__all__ = ["check_finite", "check_inputs", "check_targets"]

_WHOLE = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


def check_inputs(name: str, x: Tensor) -> None:
    """See that inputs are what a model takes: numbers with a fraction, or the indices of an embedding.

    Raises:
        EvaluationError: If they are anything else, such as bytes of an image.
    """
    if not x.is_floating_point() and x.dtype not in (torch.int32, torch.int64):
        msg = (
            f"The inputs of '{name}' are floats, or int64 indices for an embedding, got {_dtype(x)}. "
            f"Convert them, such as x.float() / 255 for the bytes of an image."
        )
        raise EvaluationError(msg)


def check_targets(name: str, y: Tensor, *, whole: bool) -> None:
    """See that targets are class numbers, of shape (N,), if they are to be, or else real numbers.

    Raises:
        EvaluationError: If they are not.
    """
    if not whole:
        if y.is_complex() or y.dtype == torch.bool:
            msg = f"The targets of '{name}' are real numbers, got {_dtype(y)}. For classes use Classification."
            raise EvaluationError(msg)
        return
    if y.dtype not in _WHOLE or y.ndim != 1:
        msg = (
            f"The targets of '{name}' are class numbers 0, 1, ..., integers of shape (N,), got {_dtype(y)} of shape {tuple(y.shape)}. "
            f"Convert them (y.long(); y.argmax(1) for one-hot rows), or use Regression for real numbers."
        )
        raise EvaluationError(msg)
    if int(y.min()) < 0:
        msg = f"The targets of '{name}' are class numbers from 0, got {int(y.min())}. Number the classes 0, 1, ... and leave samples without a class out."
        raise EvaluationError(msg)


def check_finite(name: str, x: Tensor, y: Tensor) -> None:
    """See that nothing is a NaN or infinite.

    Raises:
        EvaluationError: If something is.
    """
    for part, tensor in (("inputs", x), ("targets", y)):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            count = int((~tensor.isfinite()).flatten(1).any(1).sum()) if tensor.ndim > 1 else int((~tensor.isfinite()).sum())
            msg = f"The {part} of '{name}' hold a NaN or an infinity, in {count} of {len(tensor)} samples. Remove or fill them before the search."
            raise EvaluationError(msg)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
