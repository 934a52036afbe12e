"""Counts of a model: parameters, floating-point operations, multiply-adds."""

from dataclasses import dataclass

import torch
from torch import nn

from retia.cost.example import Example
from retia.cost.flop_counter import FlopCounter
from retia.cost.forward import device_of, run_on_zeros
from retia.cost.meta_copy import meta_copy

__all__ = ["Count", "count", "count_parameters"]


@dataclass(frozen=True)
class Count:
    """Costs of a model for one sample.

    Args:
        params: Number of parameters, trainable or not; shared parameters count once.
        flops: Floating-point operations of convolutions, matrix products and attention; a multiply-add
            counts as two.
        macs: Multiply-adds of the same operators.
        uncounted: Operators that ran and have no formula, such as activations; they are not in `flops`.
    """

    params: int
    flops: int
    macs: int
    uncounted: tuple[str, ...]


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters, trainable or not; shared parameters count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def count(model: nn.Module, example: Example) -> Count:
    """Count the costs of a model for one sample, in evaluation mode; the model is not changed.

    A copy runs on the `meta` device. If that fails because the model reads values, the model itself runs on
    zeros.

    Raises:
        SpaceError: If the model can't run on inputs of the shapes of `example`.

    >>> count(nn.Linear(10, 5), Example.of((10,)))
    Count(params=55, flops=100, macs=50, uncounted=())
    """
    device = device_of(model)
    if device.type != "meta":
        try:
            return _count(meta_copy(model), example, torch.device("meta"))
        except Exception:  # noqa: BLE001, S110  # an error on meta counts only if the model's device raises one too
            pass
    return _count(model, example, device)


def _count(model: nn.Module, example: Example, device: torch.device) -> Count:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        # Gradients prevent torch from using its fused kernel for attention, which has no formula, off meta.
        with torch.set_grad_enabled(device.type != "meta"), FlopCounter() as counter:
            run_on_zeros(model, example, batch=1, device=device)
    finally:
        for module, training in modes.items():
            module.training = training
    return Count(count_parameters(model), counter.flops, counter.flops // 2, tuple(sorted(counter.uncounted)))
