"""The state of a training: the model, its optimizers and all random generators."""

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
    """The objects whose state changes during a training.

    Args:
        model: The model.
        optimizers: Optimizers of the model.
        scaler: Scaler of the loss.
        generators: Generators of the order of the data.
        device: Device whose random generator is used beside that of the CPU, such as for dropout.
    """

    model: nn.Module
    optimizers: Sequence[Optimizer]
    scaler: torch.amp.GradScaler
    generators: Sequence[torch.Generator]
    device: torch.device

    def state(self) -> dict[str, Any]:
        """Return the state of all parts, for `load`."""
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "generators": [generator.get_state() for generator in self.generators],
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Load a state; torch's global generators change as well, so call it within `seeded`."""
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
    """Load the state of an optimizer, with its moments in the memory format of the weights.

    Fused steps read both in memory order, which a file does not keep: for channels-last weights, torch's own
    `load_state_dict` silently leads to wrong steps.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        i: {name: _laid_out(value, parameters[i]) for name, value in values.items()}
        for i, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})


def advance(schedule: Any, steps: int) -> None:
    """Advance a schedule by a number of steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without the optimizer, whose state is loaded
        for _ in range(steps):
            schedule.step()


def _laid_out(value: Any, parameter: Tensor) -> Any:
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
