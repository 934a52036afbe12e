"""Synaptic flow."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase  # what batch and instance normalization derive from

from retia.evaluate.proxies.probe import Probe, derivatives
from retia.nn import map_tensors

__all__ = ["synflow"]

_NORMALIZATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)


def synflow(probe: Probe) -> float:
    """Return the sum of |w ∂R/∂w| over the weights w, with the sum R of the outputs for an input of ones.

    Parameters are replaced by their absolute values. The score does not depend on the data. The model is in
    evaluation mode, without its normalization layers, and computes in double precision.

    Reference:
        Tanaka et al., Pruning Neural Networks without any Data by Iteratively Conserving Synaptic Flow,
        NeurIPS 2020; summed over the network, without batch normalization and in double precision as in
        Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, section 3. Deviations: layer,
        group, instance and other normalization layers are left out like batch normalization, for they too
        undo the flow; dropout is off; every parameter of two or more dimensions is a weight. Inputs that
        are indices are 1 as well.
    """
    probe.require_outputs()
    model = probe.model.double().eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.abs_()
    normalizations: list[nn.Module] = [
        module for module in model.modules() if isinstance(module, _NORMALIZATIONS)
    ]
    for module in normalizations:
        module.forward = _passed_by
    try:
        flow = probe.outputs(map_tensors(_ones, probe.inputs)).sum()
    finally:
        for module in normalizations:
            del module.forward  # which uncovers the method of the class
    return sum(
        float((weight.detach() * gradient).abs().sum())
        for weight, gradient in derivatives(flow, probe.weights())
    )


def _passed_by(x: Tensor) -> Tensor:
    return x


def _ones(x: Tensor) -> Tensor:
    return torch.ones_like(x[:1], dtype=torch.float64 if x.is_floating_point() else x.dtype)
