"""The targets of a classifier."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.nn import Batch, Nest

__all__ = ["ClassTargets"]

_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


@dataclass(frozen=True)
class ClassTargets:
    """Take the class numbers of a batch, as int64.

    Args:
        targets: Function `batch -> targets`.
        ignore_index: Class number of targets that do not count.
        multilabel: Whether targets are 0 or 1 for each label instead.
    """

    targets: Callable[[Batch], Nest]
    ignore_index: int = -100
    multilabel: bool = False

    def __call__(self, batch: Batch) -> Tensor:
        """Return the targets, (B, ...)."""
        targets = self.targets(batch)
        return targets if self.multilabel else targets.long()

    @property
    def ignores(self) -> bool:
        """Whether some targets may not count."""
        return not self.multilabel

    def checked(self, name: str, batch: Any) -> int:
        """Return the number of classes that the targets of a batch, or of all data, need.

        Raises:
            EvaluationError: If the targets are not class numbers, or labels of 0 and 1.
        """
        y = self.targets(batch)
        got = (
            f"{str(y.dtype).removeprefix('torch.')} of shape {tuple(y.shape)}"
            if isinstance(y, Tensor)
            else type(y).__name__
        )
        if self.multilabel:
            if not isinstance(y, Tensor) or y.ndim < 2 or not bool(((y == 0) | (y == 1)).all()):
                msg = (
                    f"The targets of '{name}' are labels 0 or 1 of shape (N, labels) for multilabel=True, "
                    f"got {got}. Convert them, or leave multilabel out."
                )
                raise EvaluationError(msg)
            return y.shape[1]
        if not isinstance(y, Tensor) or y.dtype not in _INTEGERS:
            remedy = (
                "Convert them (y.long(); y.argmax(1) for one-hot rows), or use Regression for real numbers."
            )
            if isinstance(y, Tensor) and y.dtype == torch.bool:
                remedy = "Convert them with y.long(); for several labels a sample set multilabel=True."
            msg = (
                f"The targets of '{name}' are class numbers 0, 1, ..., a tensor of integers, got {got}. "
                f"{remedy}"
            )
            raise EvaluationError(msg)
        return self.class_count(y, f"The targets of '{name}'")

    def class_count(self, targets: Tensor, words: str = "The targets") -> int:
        """Return the number of classes that class numbers need: the greatest that counts, plus 1; at least 2.

        Raises:
            EvaluationError: If a class number that counts is negative; `words` name the targets.
        """
        if not targets.numel():
            return 2
        least, greatest = torch.where(targets == self.ignore_index, 0, targets).aminmax()
        if int(least) < 0:
            msg = (
                f"{words} are class numbers from 0, got {int(least)}. Number the classes 0, 1, ...; "
                f"a number that does not count is ignore_index, {self.ignore_index}."
            )
            raise EvaluationError(msg)
        return max(2, int(greatest) + 1)
