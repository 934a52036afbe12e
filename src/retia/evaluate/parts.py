"""What changes while a model is trained: the model, its optimizers and all randomness."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["Parts", "advance", "load_optimizer"]


@dataclass(frozen=True)
class Parts:
    """What changes while a model is trained.

    Args:
        model: The model.
        optimizers: Its optimizers.
        scaler: What scales the loss.
        generators: Where the order of the data comes from.
        device: Where torch draws the rest, such as dropout, beside the CPU.
    """

    model: nn.Module
    optimizers: Sequence[Optimizer]
    scaler: torch.amp.GradScaler
    generators: Sequence[torch.Generator]
    device: torch.device

    def state(self) -> dict[str, Any]:
        """Return the state of all, as `load` takes it."""
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "generators": [generator.get_state() for generator in self.generators],
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Put all into a state; torch's own generators too, so within `seeded`."""
        self.model.load_state_dict(state["model"])
        for optimizer, one in zip(self.optimizers, state["optimizers"], strict=True):
            load_optimizer(optimizer, one)
        self.scaler.load_state_dict(state["scaler"])
        for generator, one in zip(self.generators, state["generators"], strict=True):
            generator.set_state(one)
        torch.set_rng_state(state["random"])
        if state["device_random"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["device_random"], self.device)


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Put an optimizer into a state, its moments in the memory order of the weights.

    Fused steps read both as they lie in memory, and a file keeps no order: where weights are channels-last,
    torch's own `load_state_dict` would lead to wrong steps without a word.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        i: {name: _laid_out(value, parameters[i]) for name, value in values.items()}
        for i, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})


def advance(schedule: Any, steps: int) -> None:
    """Step a schedule to where it was."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without the optimizer, whose state is loaded
        for _ in range(steps):
            schedule.step()


def _laid_out(value: Any, parameter: Tensor) -> Any:
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
