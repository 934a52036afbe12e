"""Binary gates: one candidate runs forward; the backward pass runs a second one for its gate's gradient."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn import Nest, map_tensors, tensors_of
from retia.oneshot.training.running_statistics import running_statistics_kept
from retia.oneshot.training.trial_run import shown, structure_of
from retia.space import Value

__all__ = ["BinaryGates"]


@dataclass(frozen=True, eq=False)
class BinaryGates:
    """A mixture that runs one candidate and gives the gates of two a gradient, in the memory of one.

    The output is `y = sum_i g_i o_i(x)` with one-hot gates `g`. The gradient of a gate is
    `dL/dg_i = sum(dL/dy * o_i(x))`; it is computed for the positions `open` and `other`.

    Attributes:
        weights: Gates of the values, shape (K,): 1 for the open gate and 0 for the others.
        open: Position of the candidate that runs.
        other: Position of the second candidate whose gate gets a gradient.
        label: Label of the choice, for errors.
        values: Values of the choice, for errors.

    Reference:
        Cai et al., ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware, ICLR 2019,
        section 3.2, eq. 4.
    """

    weights: Tensor
    open: int
    other: int
    label: str
    values: Sequence[Value]

    def combine(
        self, candidates: Sequence[nn.Module], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run the candidate whose gate is open."""
        output = candidates[self.open](*args, **kwargs)
        if not (torch.is_grad_enabled() and self.weights.requires_grad):
            return output
        device, names, structure = self.weights.device.type, list(kwargs), structure_of(output)
        described = shown(output)
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None

        def run(position: int, given: Sequence[Any]) -> Nest:
            with (
                torch.autocast(device, dtype=dtype, enabled=dtype is not None),
                running_statistics_kept([candidates[position]]),
            ):
                other = candidates[position](
                    *given[: len(args)], **dict(zip(names, given[len(args) :], strict=True))
                )
            if structure_of(other) != structure:
                returned = ", ".join(
                    f"{self.values[i]!r} ({type(candidates[i]).__name__}) returns {output}"
                    for i, output in sorted(((self.open, described), (position, shown(other))))
                )
                msg = (
                    f"ProxylessNAS compares the outputs of two candidates of '{self.label}', which must have "
                    f"the same structure and shape. Here {returned}. Wrap them in modules that return the "
                    f"same, or search '{self.label}' by SPOS, FairNAS, Sandwich, OnceForAll or ENAS, which "
                    "sample paths."
                )
                raise SupernetError(msg)
            return other

        tensors = list(tensors_of(output))
        gated = iter(
            _Gated.apply(
                self.weights, run, (self.open, self.other), len(tensors), *tensors, *args, *kwargs.values()
            )
        )
        return map_tensors(lambda _: next(gated), output)


class _Gated(torch.autograd.Function):
    """Identity of the output, whose backward pass computes the gradients of two gates.

    It saves the inputs of the candidates, and runs the candidates again in the backward pass, one after the
    other and without a graph. Their running statistics do not change then.
    """

    @staticmethod
    def forward(
        ctx: Any,
        gates: Tensor,
        run: Callable[[int, Sequence[Any]], Nest],
        positions: tuple[int, int],
        count: int,
        *rest: Any,
    ) -> tuple[Tensor, ...]:
        outputs, given = rest[:count], rest[count:]
        ctx.save_for_backward(*(one for one in given if isinstance(one, Tensor)))
        ctx.rest = [None if isinstance(one, Tensor) else (one,) for one in given]
        ctx.run, ctx.positions, ctx.gates = run, positions, gates.shape
        # Copies, because later modules may change them in place.
        copies = tuple(output.clone() for output in outputs)
        ctx.mark_non_differentiable(*(copy for copy in copies if not copy.is_floating_point()))
        return copies

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides its name
        tensors = iter(ctx.saved_tensors)
        given = [next(tensors) if one is None else one[0] for one in ctx.rest]
        found = torch.zeros(ctx.gates, device=gradients[0].device)
        if ctx.needs_input_grad[0]:
            for position in ctx.positions:
                outputs = tensors_of(ctx.run(position, given))
                terms = [
                    (gradient * output).sum()
                    for gradient, output in zip(gradients, outputs, strict=True)
                    if output.is_floating_point()
                ]
                found[position] = sum(terms[1:], terms[0])
        return found, None, None, None, *gradients, *(None for _ in given)
