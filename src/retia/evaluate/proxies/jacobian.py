"""Gradients of a network's outputs by its inputs, for each sample."""

from typing import Any

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.evaluate.proxies.probe import Probe
from retia.nn import map_tensors

__all__ = ["correlations", "input_gradients"]


def input_gradients(probe: Probe) -> tuple[Tensor, int]:
    """Return the gradient of the sum of the outputs by each sample's inputs, and the number of outputs.

    The gradient is (B, D), float64, on the CPU. The model is in training mode, because batch normalization
    has no statistics before training.

    Raises:
        EvaluationError: If no input is a float.
    """
    probe.require_outputs()
    leaves: list[Tensor] = []

    def attach(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x
        leaves.append(x.detach().clone().requires_grad_())
        return leaves[-1].clone()  # which a model may change in place

    attached: Any = map_tensors(attach, probe.inputs)
    if not leaves:
        msg = (
            "jacob_cov and epe_nas differentiate by the inputs, but these are indices, not floats. "
            "Leave the two out of 'proxies'."
        )
        raise EvaluationError(msg)
    outputs = probe.outputs(attached)
    gradients = torch.autograd.grad(outputs.sum(), leaves, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten(1).double().cpu() for gradient in gradients], 1), outputs.shape[-1]


def correlations(rows: Tensor) -> Tensor:
    """Return Pearson's correlations of rows, (B, D) to (B, B); NaN where a row is constant."""
    centred = rows - rows.mean(1, keepdim=True)
    scaled = centred / centred.norm(dim=1, keepdim=True)
    return (scaled @ scaled.T).clamp(-1, 1)
