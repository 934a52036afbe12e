"""A choice between inputs."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from retia.errors import SpaceError
from retia.nn.mixture import weighted_sum
from retia.space import Subset, declare, labelled

__all__ = ["Reduction", "SelectInputs", "input_choice"]

Reduction: TypeAlias = Literal["sum", "mean", "concat", "none"]
"""How chosen inputs are joined."""


class SelectInputs(nn.Module):
    """Take some of the tensors it is given and join them.

    Args:
        chosen: The positions of those to take.
        reduction: "sum", "mean", "concat" (along `dim`), or "none" for a list.
        dim: The dimension of "concat".

    Attributes:
        weights: While choices are mixed, the weight of each input, shape (N,): all are summed by them.
    """

    def __init__(self, chosen: tuple[int, ...], *, reduction: Reduction, dim: int) -> None:
        super().__init__()
        self.chosen = chosen
        self.reduction = reduction
        self.dim = dim
        self.weights: Tensor | None = None

    def forward(self, inputs: Sequence[Tensor]) -> Tensor | list[Tensor]:
        """Join the chosen ones of `inputs`, which have one shape but for `dim` of "concat"."""
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
        """Show what is taken."""
        return f"chosen={self.chosen}, reduction={self.reduction!r}"


@labelled("input_choice('skip', 3)")
def input_choice(
    label: str, inputs: int, *, choose: int | tuple[int, int] = 1, reduction: Reduction = "sum", dim: int = 1
) -> SelectInputs:
    """Choose some of several inputs, such as where a skip connection comes from.

    Args:
        label: The parameter's name, unique in its scope; one that starts with "/" is shared by all scopes
            (see `choice`). Its value is a tuple of positions.
        inputs: How many inputs there are.
        choose: How many are taken: a number, or (least, most), both included; at least one.
        reduction: How they are joined: "sum", "mean", "concat", or "none" for a list.
        dim: The dimension of "concat".

    Returns:
        A module that is called with a list of tensors.

    Raises:
        SpaceError: If the numbers don't fit, or the reduction is unknown.

    >>> input_choice("skip", 3)([torch.ones(1), torch.zeros(1), torch.zeros(1)])
    tensor([1.])
    """
    least, most = choose if isinstance(choose, tuple) else (choose, choose)
    if not 1 <= least <= most <= inputs:
        msg = (
            f"input_choice({label!r}) takes 1 <= choose <= {inputs} of its inputs, got choose={choose}. "
            "For none, offer a layer_choice without it."
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
