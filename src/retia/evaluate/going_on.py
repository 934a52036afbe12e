"""Going on with a training where another one has ended."""

import math
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from retia.errors import StorageError
from retia.nn import load_checkpoint, save_checkpoint
from retia.trial import CHECKPOINT, Run, TrialStopped

__all__ = ["CHECKPOINT", "Checkpoints", "Parts", "advance", "load_optimizer", "remove_unfinished"]

_UNFINISHED = "unfinished"
"""How the name of the file with the state of a training under way begins."""

_SPARING = 20
"""How many times as long as it took to keep a state the next one is waited for."""


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


@dataclass
class Checkpoints:
    """What a trial's training keeps in the trial's folder to go on from, and what it finds.

    A trial with a fidelity keeps the state in which it ends, for one that goes on from it. A trial of a
    stored study also keeps its state after epochs, in case its process dies; as it takes time, only so often
    that a twentieth of the training is spent on it, which is mostly each epoch.

    Args:
        run: The trial's circumstances.
        identity: What the training is of, as JSON.
    """

    run: Run
    identity: Mapping[str, Any]
    _saved: float = field(default=-math.inf, init=False)
    _cost: float = field(default=0.0, init=False)

    def found(self, model: nn.Module) -> dict[str, Any] | None:
        """Return the state to go on from; None to begin anew.

        That of this very trial, should its process have died, or else that of the trial from which this one
        goes on. Where the latter is gone, or either can't be used, there is a `RuntimeWarning`.
        """
        own = self._unfinished
        if (
            own is not None
            and own.exists()
            and (state := _usable(own, self.identity, model, "A trial that was cut off")) is not None
        ):
            return state
        self._remove_unfinished()  # what a study of the same name has left, say
        if self.run.resume_from is None:
            return None
        path, what = (
            self.run.resume_from / CHECKPOINT,
            f"A trial that was to go on after a fidelity of {self.run.resumed_fidelity:g}",
        )
        return _usable(path, self.identity, model, what)

    def after_epoch(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Keep the state of a training under way."""
        began = time.perf_counter()
        if (path := self._unfinished) is None or began - self._saved < _SPARING * self._cost:
            return
        save_checkpoint(path, state(), self.identity)
        self._saved = time.perf_counter()
        self._cost = self._saved - began

    def at_end(self, state: Mapping[str, Any]) -> None:
        """Keep the state in which the training has ended, for a trial that goes on from it; what was reported
        is this trial's alone.
        """
        if self.run.directory is not None and self.run.fidelity is not None:
            save_checkpoint(self.run.directory / CHECKPOINT, {**state, "told": []}, self.identity)

    @contextmanager
    def settled(self) -> Generator[None]:
        """Remove what was kept meanwhile when the trial ends, in whatever way but that of being cut off."""
        try:
            yield
        except (Exception, TrialStopped):
            self._remove_unfinished()
            raise
        self._remove_unfinished()

    def _remove_unfinished(self) -> None:
        if self.run.directory is not None:
            remove_unfinished(self.run.directory)

    @property
    def _unfinished(self) -> Path | None:
        """Where the state is kept meanwhile; named after when the trial began, so that no other trial's is
        taken for it.
        """
        if self.run.directory is None or self.run.began is None:
            return None
        return self.run.directory / f"{_UNFINISHED}-{self.run.began!r}.safetensors"


def remove_unfinished(directory: Path) -> None:
    """Remove what was kept of trainings under way in a trial's folder, now that it is of no use."""
    for path in directory.glob(f"{_UNFINISHED}*"):
        path.unlink(missing_ok=True)


def _usable(path: Path, identity: Mapping[str, Any], model: nn.Module, what: str) -> dict[str, Any] | None:
    """Return the state in a file, if it is of this training and this model; None with a `RuntimeWarning`
    otherwise.
    """
    try:
        state, reason = load_checkpoint(path, identity), f"There is no '{path}'."
    except StorageError as error:
        state, reason = None, str(error)
    if state is not None:
        kept, own = (
            {name: tuple(value.shape) for name, value in one.items() if isinstance(value, Tensor)}
            for one in (state["parts"]["model"], model.state_dict())
        )
        if kept == own:
            return state
        name = next(name for name in (*own, *kept) if own.get(name) != kept.get(name))
        reason = (
            f"The model has changed since: '{name}' of shape {kept.get(name)} is now {own.get(name)} in "
            f"'{path}'."
        )
    warnings.warn(f"{what} is trained from the beginning. {reason}", RuntimeWarning, stacklevel=3)
    return None


def _laid_out(value: Any, parameter: Tensor) -> Any:
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
