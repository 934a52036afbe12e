"""Expressivity of a convolutional network with Gaussian weights."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # what batch normalization of any dimension derives from

from retia.errors import EvaluationError
from retia.evaluate.proxies.operations import Watched
from retia.evaluate.proxies.probe import Probe
from retia.nn import map_tensors, sample_count

__all__ = ["zen"]

_STEP = 0.01


def zen(probe: Probe) -> float:
    """Return log E‖f(x) - f(x + 0.01 ε)‖ + Σ log σ, the expressivity of a convolutional network.

    Weights, x and ε are standard Gaussian, with as many samples as the batch; biases are 0 and scales of
    normalization 1. f is the last feature map (B, C, H, W) with more than one position that the model
    computes, or else its output. σ² is, for each batch normalization, the mean of its channels' variances
    over the samples x; one whose input is constant is left out. The model is in training mode. The score is
    -inf if f is constant.

    Raises:
        EvaluationError: If no input is a float.

    Reference:
        Lin et al., Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition, ICCV 2021, algorithm 1.
        Deviations: shortcuts stay, since any module may make one, where the paper takes them out; σ is of the
        batch and the norm is Euclidean, as in the paper, where the authors' code reads running averages and
        sums absolute values; x is drawn once, where that code averages 32 draws.
    """
    probe.require_outputs()
    model = probe.model
    _draw_weights(model, probe.generator)

    def noise(x: Tensor) -> Tensor:
        return (
            torch.randn(x.shape, generator=probe.generator).to(x.device, x.dtype)
            if x.is_floating_point()
            else x
        )

    x: Any = map_tensors(noise, probe.inputs)
    floats: list[bool] = []
    map_tensors(lambda part: floats.append(part.is_floating_point()), x)
    if not any(floats):
        msg = (
            "zen moves the inputs by a little noise, but these are indices, not floats. "
            "Leave it out of 'proxies'."
        )
        raise EvaluationError(msg)
    moved: Any = _sum(x, map_tensors(noise, probe.inputs))
    scales: list[float] = []

    def measure(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        del module
        variances = args[0].double().transpose(0, 1).flatten(1).var(1, correction=0)  # (C,)
        if (scale := float(variances.mean().sqrt())) > 0:
            scales.append(scale)

    with torch.no_grad():
        handles = [
            module.register_forward_pre_hook(measure)
            for module in model.modules()
            if isinstance(module, _BatchNorm)
        ]
        try:
            features = _features(probe, x)
        finally:
            for handle in handles:
                handle.remove()
        distance = float((features - _features(probe, moved)).double().flatten(1).norm(dim=1).mean())
    return (math.log(distance) if distance > 0 else -math.inf) + sum(map(math.log, scales))


def _draw_weights(model: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for module in model.modules():
            normalizes = isinstance(module, nn.GroupNorm | nn.LayerNorm | _BatchNorm)
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.ndim >= 2 and not normalizes:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator))
                elif normalizes and name == "weight":
                    parameter.fill_(1.0)
                elif name.endswith("bias"):
                    parameter.zero_()


def _features(probe: Probe, x: Any) -> Tensor:
    """Return the last feature map that has more than one position, or else the outputs."""
    found: list[Tensor] = []

    def keep(operation: Any, results: tuple[Any, ...]) -> None:
        del operation
        result = results[0] if results else None
        if (
            isinstance(result, Tensor)
            and result.ndim >= 4
            and len(result) == sample_count(probe.batch, probe.training.targets)
            and math.prod(result.shape[2:]) > 1
        ):
            found[:] = [result]

    with Watched(after=keep):
        outputs = probe.outputs(x)
    return found[0] if found else outputs


def _sum(x: Any, noise: Any) -> Any:
    """Return inputs plus a little noise; what is no float stays."""
    parts: list[Tensor] = []
    map_tensors(parts.append, noise)
    rest = iter(parts)

    def add(part: Tensor) -> Tensor:
        other = next(rest)
        return part + _STEP * other if part.is_floating_point() else part

    return map_tensors(add, x)
