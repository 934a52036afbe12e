"""Tensors that stack equal blocks: the three projections of attention, the gates of a recurrent layer."""

from collections.abc import Sequence

from torch import Tensor

from retia.supernet.elastic import window

__all__ = ["blocks"]


def blocks(tensor: Tensor, shape: Sequence[int], count: int) -> list[Tensor]:
    """Return a view of the first entries of each block that the first dimension stacks.

    Args:
        tensor: `count` blocks of the same number of rows, one below the other.
        shape: The shape of the parts of all blocks together.
        count: How many blocks there are.

    >>> import torch
    >>> blocks(torch.arange(6), (2,), 2)
    [tensor([0]), tensor([3])]
    """
    if tensor.shape == tuple(shape):
        return [tensor]
    rows, others = len(tensor) // count, (0,) * len(shape[1:])
    return [window(tensor, (i * rows, *others), (shape[0] // count, *shape[1:])) for i in range(count)]
