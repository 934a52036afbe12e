"""Keeping trained weights."""

from safetensors.torch import save_model
from torch import nn

from retia.trial import WEIGHTS, Run

__all__ = ["save_weights"]


def save_weights(model: nn.Module, run: Run) -> None:
    """Save a model's weights in the trial's folder, where `trial.load()` finds them; nothing if the run has no folder."""
    if run.directory is None:
        return
    run.directory.mkdir(parents=True, exist_ok=True)
    # Written beside and moved, so that a process that dies meanwhile leaves no half a file.
    unfinished = run.directory / f"{WEIGHTS}.part"
    save_model(model, str(unfinished))
    unfinished.replace(run.directory / WEIGHTS)
