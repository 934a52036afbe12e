"""Export of a trained model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.nn import write_weights
from retia.trial import WEIGHTS, Trial

__all__ = ["export"]


def export(
    trial: Trial, directory: str | Path, example: Tensor | Sequence[Tensor] | Mapping[str, Tensor]
) -> Path:
    """Write a trained model to files that torch, or its class, can load without retia.

    `program.pt2` is a `torch.export` program (`torch.export.load(path).module()`), with a free batch size
    where the model allows it; `weights.safetensors` holds the weights; `architecture.json` the choices,
    the metrics and the number of the trial.

    Args:
        trial: Trial with trained weights.
        directory: Folder for the three files; it is created if necessary.
        example: Inputs with a batch dimension of at least two.

    Raises:
        StudyError: If the trial has no trained weights, or the study was opened without its space.
        StorageError: If its weights can't be read or are damaged.
        EvaluationError: If `torch.export` can't export the model.
    """
    model = trial.load()
    if isinstance(example, Mapping):
        args, kwargs = (), dict(example)
    else:
        args, kwargs = ((example,) if isinstance(example, Tensor) else tuple(example)), {}
    tensors = [*args, *kwargs.values()]
    free = {0: torch.export.Dim.AUTO}  # a batch size that the model fixes itself stays the example's
    try:
        program = torch.export.export(model, args, kwargs, dynamic_shapes=tuple(free for _ in tensors))
    except Exception as error:
        msg = (
            f"torch can't export the model of trial {trial.number}: {type(error).__name__}: {error}\n"
            "Let its forward not branch on the values of tensors, or use trial.load(), "
            "which needs no export."
        )
        raise EvaluationError(msg) from error
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, directory / "program.pt2")
    write_weights(directory / WEIGHTS, model)
    facts = {
        "architecture": json.loads(trial.architecture.to_json()),
        "metrics": dict(trial.metrics),
        "trial": trial.number,
        "inputs": [[list(tensor.shape), str(tensor.dtype)] for tensor in tensors],
    }
    (directory / "architecture.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return directory
