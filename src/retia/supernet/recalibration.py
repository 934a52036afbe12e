"""Recalibration of batch-norm statistics before a subnet is evaluated."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from retia.errors import SupernetError
from retia.nn import Batch, inputs_of, move, run_on
from retia.supernet.usage import tensors_in_use

__all__ = ["recalibrate"]


@torch.no_grad()
def recalibrate(
    model: nn.Module, batches: Iterable[Batch], *, forward: Callable[[nn.Module, Batch], Any] | None = None
) -> None:
    """Replace the running statistics of normalization layers by those of some batches.

    During training, the statistics of a supernet average over all architectures. Before an architecture is
    evaluated, they have to be computed for it alone. Weights and modes do not change.

    Args:
        model: Supernet, in which only statistics that the activated architecture uses change; or any model.
        batches: Batches of training data: inputs, pairs (inputs, targets), or mappings. They are moved to the
            model's device. The statistics are the unweighted average over the batches.
        forward: Function `(model, batch) -> outputs`. Default: the model called with the batch's inputs.

    Raises:
        SupernetError: If `batches` is empty.

    Reference:
        Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020, section
        3.4.

    >>> norm = nn.BatchNorm1d(1)
    >>> recalibrate(norm, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
    >>> norm.running_mean
    tensor([4.])
    """
    used = dict.fromkeys(use.module for use in tensors_in_use(model))
    norms = [module for module in used if isinstance(module, _NormBase) and module.running_mean is not None]
    modes = [(module, module.training) for module in model.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), None)
    seen = 0
    try:
        model.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the cumulative average
            norm.train()
        for batch in batches:
            moved = batch if device is None else move(batch, device)
            if forward is None:
                run_on(model, inputs_of(moved))
            else:
                forward(model, moved)
            seen += 1
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode
    if not seen:
        msg = (
            "recalibrate(...) needs at least one batch to compute statistics, got 0. "
            "Give batches, and a new iterator if it was used before."
        )
        raise SupernetError(msg)
