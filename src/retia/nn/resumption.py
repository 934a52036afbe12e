"""The states of a trial's training, from which this or another trial resumes."""

import math
import time
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError, StorageError
from retia.nn.checkpoint import load_checkpoint, save_checkpoint

__all__ = ["Resumption", "misfit_of", "remove_unfinished"]

_UNFINISHED = "unfinished"
"""Prefix of the name of the file with the state of an unfinished training."""

_SPARING = 20
"""Minimum time between two sparingly kept states, in multiples of the time to write one."""


class Resumption:
    """The states of one trial's training in the trial's folder: written, found and removed.

    The state under way is in a file named after when the trial began, so that only this trial finds it, when
    it is taken up after its process has died. The state at the trial's fidelity is in another file, from
    which a trial of a higher fidelity goes on. This trial does not go on from there, as it could not return
    metrics: if its process dies at that moment, it goes on from the state before.

    Args:
        run: `Run` of the trial.
        checkpoint: Name of the file from which another trial continues.
        identity: Training settings, as JSON. Default: the seed, for a training loop that uses
            `Run.save` and `Run.resume`.
    """

    def __init__(self, run: Any, checkpoint: str, identity: Mapping[str, Any] | None = None) -> None:
        self._run, self._checkpoint = run, checkpoint
        self._identity = {"loop": "run.save", "seed": run.seed} if identity is None else identity
        self._kept_at, self._seconds = -math.inf, 0.0
        self.step = 0

    # --- any state

    def found(self, misfit: Callable[[Mapping[str, Any]], str | None]) -> dict[str, Any] | None:
        """Return the state to resume from; None if there is no state.

        It is the state of this trial if its process has died, or else that of the trial it continues.

        Args:
            misfit: Function that returns why a state can't be loaded, and None if it can.

        Warns:
            RuntimeWarning: If there is no state where there should be one, or it can't be used.
        """
        own, run = self._unfinished if self._run.began is not None else None, self._run
        if own is not None and own.exists() and (state := self._usable(own, misfit, "was cut off")):
            return state
        if run.resume_from is None:
            return None
        reached = "" if run.resumed_fidelity is None else f" after a fidelity of {run.resumed_fidelity:g}"
        return self._usable(run.resume_from / self._checkpoint, misfit, f"was to go on{reached}")

    def keep(self, state: Mapping[str, Any], *, ended: bool) -> None:
        """Write a state, if a trial can resume from it.

        Args:
            state: The state, as `save_checkpoint` takes it.
            ended: Whether the training has ended here, for a trial of a higher fidelity.
        """
        path, run = self._unfinished, self._run
        if path is None or (run.fidelity is None and (ended or run.began is None)):
            return
        save_checkpoint(path.with_name(self._checkpoint) if ended else path, state, self._identity)

    def keep_sparingly(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Keep the state of a running trial of a stored study, in at most a twentieth of its time."""
        began = time.perf_counter()
        if self._run.began is None or began - self._kept_at < _SPARING * self._seconds:
            return
        self.keep(state(), ended=False)
        self._kept_at = time.perf_counter()
        self._seconds = self._kept_at - began

    def settle(self, *, completed: bool) -> None:
        """Remove the unfinished state of a trial that has ended.

        If it completed without a state at its fidelity, the unfinished state becomes that state.
        """
        if self._unfinished is None:
            return
        ended = self._unfinished.with_name(self._checkpoint)
        if not completed:
            ended.unlink(missing_ok=True)
        elif self._run.fidelity is not None and self._unfinished.exists() and not ended.exists():
            self._unfinished.replace(ended)
        remove_unfinished(self._unfinished.parent)

    @contextmanager
    def settled(self, stopped: type[BaseException]) -> Generator[None]:
        """Settle when the trial ends, but not when it is cut off by an interrupt.

        Args:
            stopped: The exception that stops a trial, beside every `Exception`.
        """
        try:
            yield
        except (Exception, stopped):
            self.settle(completed=False)
            raise
        self.settle(completed=True)

    # --- the state of a training loop that uses a run

    def save(self, parts: tuple[Any, ...], step: int) -> None:
        """Keep the state of all parts and of torch's generators; see `Run.save`."""
        _require_states(parts)
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        state = {
            "step": step,
            "parts": [part.state_dict() for part in parts],
            "random": torch.get_rng_state(),
            "cuda": cuda,
        }
        self.keep(state, ended=self._run.fidelity is not None and step >= self._run.fidelity)

    def resume(self, parts: tuple[Any, ...]) -> int:
        """Load the latest state into all parts; return its step, or 0 without one; see `Run.resume`."""
        _require_states(parts)
        if (state := self.found(lambda state: _misfit_of_parts(parts, state["parts"]))) is not None:
            for part, one in zip(parts, state["parts"], strict=True):
                part.load_state_dict(one)
            torch.set_rng_state(state["random"])
            if torch.cuda.is_initialized() and len(state["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(state["cuda"])
            self.step = state["step"]
        return self.step

    def _usable(
        self, path: Path, misfit: Callable[[Mapping[str, Any]], str | None], what: str
    ) -> dict[str, Any] | None:
        """Return the state in a file; None with a `RuntimeWarning` if it can't be used."""
        try:
            state = load_checkpoint(path, self._identity)
            reason = (
                f"There is no '{path}'.{' Call run.save in the loop.' if 'loop' in self._identity else ''}"
            )
        except StorageError as error:
            state, reason = None, str(error)
        if state is not None:
            if (found := misfit(state)) is None:
                return state
            reason = f"'{path}' does not fit: {found}."
        msg = f"A trial that {what} is trained from the beginning. {reason}"
        warnings.warn(msg, RuntimeWarning, stacklevel=4)
        return None

    @property
    def _unfinished(self) -> Path | None:
        """The file of the state under way; None if the trial has no folder."""
        folder = self._run.directory
        return None if folder is None else folder / f"{_UNFINISHED}-{self._run.began!r}.safetensors"


def remove_unfinished(directory: Path) -> None:
    """Remove the states of trainings under way from a trial's folder."""
    for path in directory.glob(f"{_UNFINISHED}*"):
        path.unlink(missing_ok=True)


def misfit_of(model: nn.Module, state: Mapping[str, Any]) -> str | None:
    """Return why a state can't be that of a model, by its names and shapes; None if it can."""
    there, here = (
        {name: tuple(value.shape) for name, value in one.items() if isinstance(value, Tensor)}
        for one in (state, model.state_dict())
    )
    for name in dict.fromkeys((*here, *there)):
        if there.get(name) != here.get(name):
            return f"'{name}' has the shape {there.get(name)} there, and {here.get(name)} in the model"
    return None


def _misfit_of_parts(parts: tuple[Any, ...], states: list[Any]) -> str | None:
    if len(parts) != len(states):
        return f"it has {len(states)} parts, and {len(parts)} are given"
    found = (
        misfit_of(part, state)
        for part, state in zip(parts, states, strict=True)
        if isinstance(part, nn.Module)
    )
    return next((one for one in found if one is not None), None)


def _require_states(parts: tuple[Any, ...]) -> None:
    if not parts:
        msg = "run.save and run.resume need the model, such as run.resume(model, optimizer), got no object."
        raise EvaluationError(msg)
    for part in parts:
        if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
            msg = (
                "run.save and run.resume take objects with state_dict() and load_state_dict(), "
                f"such as the model and the optimizer, got {part!r}. Give these."
            )
            raise EvaluationError(msg)
