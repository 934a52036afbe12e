"""Data-parallel training: each process started by `torchrun` trains on a part of the batches."""

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
        rank: Rank of this process, from 0. Default 0.
        size: Number of processes. Default 1.
    """

    rank: int = 0
    size: int = 1

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients over all processes. A weight that no process used keeps the gradient None."""
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
        """Average floating-point buffers, such as running statistics, over all processes."""
        if self.size == 1:
            return
        for buffer in buffers:
            if buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer /= self.size

    def sum(self, value: float, device: torch.device) -> float:
        """Return the sum of a value over all processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=device if device.type != "mps" else None)
        distributed.all_reduce(total)
        return total.item()

    def wait(self) -> None:
        """Wait until all processes have called this method."""
        if self.size > 1:
            distributed.barrier()


def join(device: torch.device) -> Ranks:
    """Return the processes that train together, and initialize their process group if necessary.

    They are the processes of an initialized process group, those of `torchrun`, or else this process alone.

    Args:
        device: Device of the training. CUDA uses the backend "nccl", other devices use "gloo".
    """
    if not distributed.is_available():
        return Ranks()
    if not distributed.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
            return Ranks()
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(distributed.get_rank(), distributed.get_world_size())
