"""Keeping trained weights."""

from torch import nn

from retia.nn import write_weights
from retia.trial import WEIGHTS, Run

__all__ = ["save_weights"]


def save_weights(model: nn.Module, run: Run) -> None:
    """Save a model's weights in the trial's folder, where `trial.load()` finds them; nothing if the run has
    no folder.
    """
    if run.directory is None:
        return
    write_weights(run.directory / WEIGHTS, model)
