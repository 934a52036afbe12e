"""Binary gates: one candidate runs, and what another one would have returned is computed when its gradient is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.oneshot.running_statistics import running_statistics_kept

__all__ = ["BinaryGates"]


@dataclass(frozen=True, eq=False)
class BinaryGates:
    """A mixture that runs one candidate; it gives the gates of two a gradient, for the memory of one.

    Attributes:
        weights: The gates of the values, shape (K,): 1 for the one that is open and 0 for the others.
        open: The position of the candidate that runs.
        other: The position of another one whose gate has a gradient.
        label: The label of the choice, for messages.
    """

    weights: Tensor
    open: int
    other: int
    label: str

    def combine(self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the candidate whose gate is open."""
        output = candidates[self.open](*args, **kwargs)
        if not (torch.is_grad_enabled() and self.weights.requires_grad):
            return output
        device, names, shape = output.device.type, list(kwargs), output.shape
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None

        def run(position: int, given: Sequence[Any]) -> Tensor:
            with torch.autocast(device, dtype=dtype, enabled=dtype is not None), running_statistics_kept([candidates[position]]):
                other = candidates[position](*given[: len(args)], **dict(zip(names, given[len(args) :], strict=True)))
            if other.shape != shape:
                msg = (
                    f"ProxylessNAS compares the outputs of two candidates of '{self.label}', which must have the same shape, got {tuple(shape)} of "
                    f"{type(candidates[self.open]).__name__} and {tuple(other.shape)} of {type(candidates[position]).__name__}. Wrap them in modules that return "
                    f"the same shape, or search '{self.label}' by SPOS, FairNAS, Sandwich, OnceForAll or ENAS, which sample paths."
                )
                raise SupernetError(msg)
            return other

        return _Gated.apply(self.weights, output, run, (self.open, self.other), *args, *kwargs.values())


class _Gated(torch.autograd.Function):
    """Pass an output on; of the gates' gradients, which are products with candidates' outputs, compute those of two.

    It keeps what candidates are given, and runs them again, without a graph, one after the other. Their running statistics, to which the
    first run has added the batch, stay what they are.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, output: Tensor, run: Callable[[int, Sequence[Any]], Tensor], positions: tuple[int, int], *given: Any) -> Tensor:
        ctx.save_for_backward(*(one for one in given if isinstance(one, Tensor)))
        ctx.rest = [None if isinstance(one, Tensor) else (one,) for one in given]
        ctx.run, ctx.positions, ctx.gates = run, positions, gates.shape
        # A tensor of its own, which whatever follows may change in place.
        return output.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides its name
        (gradient,) = gradients
        tensors = iter(ctx.saved_tensors)
        given = [next(tensors) if one is None else one[0] for one in ctx.rest]
        found = torch.zeros(ctx.gates, device=gradient.device)
        if ctx.needs_input_grad[0]:
            for position in ctx.positions:
                found[position] = (gradient * ctx.run(position, given)).sum()
        return found, gradient, None, None, *(None for _ in given)
