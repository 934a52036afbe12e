"""Preservation of the gradient flow."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from retia.errors import EvaluationError
from retia.evaluate.proxies.probe import Probe, derivatives

__all__ = ["grasp"]


def grasp(probe: Probe) -> float:
    """Return the sum of -w (H g) over the weights w, with the gradient g and the Hessian H of the loss.

    It is half the change of the gradient's squared norm, to first order, if the weights are removed. Only the
    product H g is computed. The model is in training mode.

    Raises:
        EvaluationError: If the model uses an operation without a second derivative in torch.

    Reference:
        Wang et al., Picking Winning Tickets Before Training by Preserving Gradient Flow, ICLR 2020; summed
        over the network as in Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, section
        3, whose sign it has. Deviations: outputs are not divided by a temperature, and one batch serves for
        both gradients (both as Abdelfattah et al.; Wang et al. divide by 200 and split the batch); every
        parameter of two or more dimensions is a weight.
    """
    # Fused kernels of attention have no second derivative.
    with sdpa_kernel(SDPBackend.MATH), _TwiceDifferentiable():
        pairs = probe.gradients(differentiable=True)
    squared = sum(((gradient * gradient.detach()).sum() for _, gradient in pairs), torch.zeros(()))
    try:
        products = derivatives(squared, [weight for weight, _ in pairs])  # H g, by weight
    except RuntimeError as error:
        if "not implemented" not in str(error):
            raise
        msg = (
            "grasp differentiates the loss twice, which torch can't do for something that the model "
            f"computes: {error}. Leave it out of 'proxies'."
        )
        raise EvaluationError(msg) from error
    return -sum(float((weight.detach() * product).sum()) for weight, product in products)


class _TwiceDifferentiable(TorchFunctionMode):
    """Replace the hard sigmoid by operations that torch can differentiate twice."""

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function, or an equal one."""
        del types
        if func is nn.functional.hardsigmoid:
            return nn.functional.relu6(args[0] + 3) / 6
        return func(*args, **(kwargs or {}))
