"""Training loops of users that go on where they have stopped."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError, StorageError
from retia.nn.checkpoint import load_checkpoint, save_checkpoint

__all__ = ["Resumption"]

_ENDED = "unfinished-at-fidelity.safetensors"


class Resumption:
    """What `Run.save` and `Run.resume` do for one trial.

    A state under way is kept in a file named after when the trial began, so that only this trial, taken up
    after its process has died, finds it. When the trial ends, the file is renamed for the trial of a higher
    fidelity that goes on from it, or removed. The state at the trial's own fidelity is in another file, for
    this trial could not train from there and return metrics: if its process dies at that moment, it goes on
    one step before.

    Args:
        run: The trial's `Run`.
        checkpoint: The name of the file from which another trial goes on.
    """

    def __init__(self, run: Any, checkpoint: str) -> None:
        self._run = run
        self._checkpoint = checkpoint
        self._identity = {"loop": "run.save", "seed": run.seed}
        self.step = 0

    def save(self, parts: tuple[Any, ...], step: int) -> None:
        """Write the state of all parts and of torch's generators, so that at any moment there is a whole
        file.
        """
        _check(parts)
        if self._unfinished is None or (
            self._run.fidelity is None and self._run.began is None
        ):  # no trial can go on from here
            return
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        state = {
            "step": step,
            "parts": [part.state_dict() for part in parts],
            "random": torch.get_rng_state(),
            "cuda": cuda,
        }
        ended = self._run.fidelity is not None and step >= self._run.fidelity
        path = self._unfinished.with_name(_ENDED) if ended else self._unfinished
        save_checkpoint(path, state, self._identity)

    def resume(self, parts: tuple[Any, ...]) -> int:
        """Load the latest state into all parts, and return its step; 0 if there is no state.

        Warns:
            RuntimeWarning: If the state can't be used.
        """
        _check(parts)
        own = self._unfinished if self._run.began is not None else None
        before = None if self._run.resume_from is None else self._run.resume_from / self._checkpoint
        for path, needed in ((own, False), (before, True)):
            if path is not None and self._loaded(path, parts, needed=needed):
                break
        return self.step

    def settle(self, *, completed: bool) -> None:
        """Keep the last state for a trial that goes on from this one, or remove it."""
        if self._unfinished is None:
            return
        ended = self._unfinished.with_name(_ENDED)
        last = next((path for path in (ended, self._unfinished) if path.exists()), None)
        if last is not None and completed and self._run.fidelity is not None:
            last.replace(last.with_name(self._checkpoint))
        for path in (ended, self._unfinished):
            path.unlink(missing_ok=True)

    def _loaded(self, path: Path, parts: tuple[Any, ...], *, needed: bool) -> bool:
        try:
            state, reason = (
                load_checkpoint(path, self._identity),
                f"There is no '{path}': was run.save called?",
            )
            if state is None and not needed:
                return False
        except StorageError as error:
            state, reason = None, str(error)
        if state is not None and (misfit := _misfit(parts, state["parts"])) is not None:
            state, reason = None, f"'{path}' is of other parts: {misfit}."
        if state is None:
            warnings.warn(
                f"A trial can't go on where it should, and is trained from the beginning. {reason}",
                RuntimeWarning,
                stacklevel=4,
            )
            return False
        for part, one in zip(parts, state["parts"], strict=True):
            part.load_state_dict(one)
        torch.set_rng_state(state["random"])
        if torch.cuda.is_initialized() and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])
        self.step = state["step"]
        return True

    @property
    def _unfinished(self) -> Path | None:
        return (
            None
            if self._run.directory is None
            else self._run.directory / f"unfinished-{self._run.began!r}.safetensors"
        )


def _check(parts: tuple[Any, ...]) -> None:
    for part in parts:
        if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
            msg = (
                "run.save and run.resume take objects with state_dict() and load_state_dict(), "
                f"such as the model and the optimizer, got {part!r}. Give these."
            )
            raise EvaluationError(msg)


def _misfit(parts: tuple[Any, ...], states: list[Any]) -> str | None:
    """Return in what the modules among the parts differ from what was saved; None if in nothing."""
    if len(parts) != len(states):
        return f"there are {len(states)} and not {len(parts)}"
    for part, state in zip(parts, states, strict=True):
        if isinstance(part, nn.Module):
            there, here = (
                {name: tuple(value.shape) for name, value in one.items() if isinstance(value, Tensor)}
                for one in (state, part.state_dict())
            )
            if there != here:
                name = next(name for name in (*here, *there) if there.get(name) != here.get(name))
                return f"'{name}' has the shape {there.get(name)} and not {here.get(name)}"
    return None
