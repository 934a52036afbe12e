"""Trained weights in a trial's folder."""

from collections.abc import Mapping

from torch import Tensor, nn

from retia.nn import write_tensors, write_weights
from retia.trial import WEIGHTS, Run, unsaved_is_a_warning

__all__ = ["save_weights"]


def save_weights(model: nn.Module | Mapping[str, Tensor], run: Run) -> None:
    """Save a model's weights, or its `state_dict()`, in the trial's folder, where `trial.load()` finds them.

    It saves nothing if the run has no folder, or if the study keeps no weights (`keep_weights="none"`). The
    study removes the file when its policy does not keep this trial's weights.

    Warns:
        RuntimeWarning: If the weights can't be written, for example on a full disk. The trial goes on.
    """
    if run.directory is None or not run.keep_weights:
        return
    with unsaved_is_a_warning(run.directory):
        if isinstance(model, nn.Module):
            write_weights(run.directory / WEIGHTS, model)
        else:
            write_tensors(run.directory / WEIGHTS, model)
