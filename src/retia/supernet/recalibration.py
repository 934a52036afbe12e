"""Batch-norm statistics of a subnet, taken anew before it is judged."""

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

    While a supernet is trained, its statistics mix those of all architectures, and are those of none. Before
    an architecture is judged, they have to be its own. The weights stay as they are, and every module its
    mode.

    Args:
        model: A supernet, of which the activated architecture is meant, and what it does not use keeps its
            statistics; or any model.
        batches: Batches of training data: inputs alone, pairs (inputs, targets), or mappings. They are moved
            to the model's device. The statistics are the average over the batches, each of which counts
            alike.
        forward: Function `(model, batch) -> outputs`. Default: the model called with the batch's inputs.

    Raises:
        SupernetError: If there is no batch.

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
            "recalibrate(...) needs at least one batch to take statistics from, got none. "
            "Has the iterator been used up?"
        )
        raise SupernetError(msg)
