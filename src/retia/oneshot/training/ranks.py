"""Data-parallel training: processes that `torchrun` has started, each on items of its own."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

__all__ = ["Ranks", "join"]


@dataclass(frozen=True)
class Ranks:
    """The processes that train together.

    Attributes:
        rank: Which one this is, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes; a weight that no item used in any has none afterwards."""
        if self.size == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        used = torch.tensor(
            [parameter.grad is not None for parameter in trained],
            dtype=torch.float32,
            device=trained[0].device,
        )
        distributed.all_reduce(used)
        for parameter, count in zip(trained, used.tolist(), strict=True):
            if count:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                distributed.all_reduce(parameter.grad)

    def mean_buffers(self, buffers: Iterable[Tensor]) -> None:
        """Average the buffers of numbers, such as running statistics, over all processes."""
        if self.size == 1:
            return
        for buffer in buffers:
            if buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer /= self.size

    def sum(self, value: float, device: torch.device) -> float:
        """Return the sum of a number over all processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=device if device.type != "mps" else None)
        distributed.all_reduce(total)
        return total.item()

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            distributed.barrier()


def join(device: torch.device) -> Ranks:
    """Return the processes that train together: those of `torchrun`, of a process group that the user has set
    up, or this one alone.
    """
    if not distributed.is_available():
        return Ranks()
    if not distributed.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
            return Ranks()
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(distributed.get_rank(), distributed.get_world_size())
