"""Choices between inputs."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from retia.errors import SpaceError
from retia.nn.mixture import weighted_sum
from retia.space import Subset, declare, labelled

__all__ = ["Reduction", "SelectInputs", "input_choice"]

Reduction: TypeAlias = Literal["sum", "mean", "concat", "none"]
"""Rule that joins the chosen inputs."""


class SelectInputs(nn.Module):
    """Join some of the given tensors.

    Args:
        chosen: Positions of the tensors to join.
        reduction: "sum", "mean", "concat" (along `dim`), or "none" for a list.
        dim: Dimension of "concat".

    Attributes:
        weights: While choices are mixed, a weight per input, shape (N,). The output is then the weighted sum
            of all inputs.
    """

    def __init__(self, chosen: tuple[int, ...], *, reduction: Reduction, dim: int) -> None:
        super().__init__()
        self.chosen = chosen
        self.reduction = reduction
        self.dim = dim
        self.weights: Tensor | None = None

    def forward(self, inputs: Sequence[Tensor]) -> Tensor | list[Tensor]:
        """Join the chosen `inputs`, which have the same shape, except along `dim` for "concat"."""
        if self.weights is not None:
            return weighted_sum(self.weights, inputs)
        taken = [inputs[i] for i in self.chosen]
        if self.reduction == "none":
            return taken
        if self.reduction == "concat":
            return torch.cat(taken, self.dim)
        total = torch.stack(taken).sum(0) if len(taken) > 1 else taken[0]
        return total / len(taken) if self.reduction == "mean" else total

    def extra_repr(self) -> str:
        """Show the chosen inputs and the reduction."""
        return f"chosen={self.chosen}, reduction={self.reduction!r}"


@labelled("input_choice('skip', 3)")
def input_choice(
    label: str, inputs: int, *, choose: int | tuple[int, int] = 1, reduction: Reduction = "sum", dim: int = 1
) -> SelectInputs:
    """Choose some of several inputs, such as the source of a skip connection.

    Args:
        label: Name of the parameter, unique in its scope (see `choice`). Its value is a tuple of positions.
        inputs: Number of inputs.
        choose: Number of chosen inputs, at least 1; or (least, most), both included. Default 1.
        reduction: "sum", "mean", "concat" (along `dim`), or "none" for a list. Default "sum".
        dim: Dimension of "concat". Default 1.

    Returns:
        A module that is called with a list of tensors.

    Raises:
        SpaceError: If not 1 <= least <= most <= `inputs`, or `reduction` is unknown.

    >>> input_choice("skip", 3)([torch.ones(1), torch.zeros(1), torch.zeros(1)])
    tensor([1.])
    """
    least, most = choose if isinstance(choose, tuple) else (choose, choose)
    if not 1 <= least <= most <= inputs:
        msg = (
            f"input_choice({label!r}) takes 1 <= choose <= {inputs} of its inputs, got choose={choose}. "
            "To choose no input, use a layer_choice with nn.Identity."
        )
        raise SpaceError(msg)
    if reduction not in ("sum", "mean", "concat", "none"):
        msg = (
            f"The reduction of input_choice({label!r}) is 'sum', 'mean', 'concat' or 'none', "
            f"got {reduction!r}."
        )
        raise SpaceError(msg)
    chosen = declare(label, Subset(tuple(range(inputs)), least=least, most=most))
    return SelectInputs(chosen, reduction=reduction, dim=dim)
