"""Checks of a recipe's data and functions."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.evaluate.data import LoadedData, TensorData
from retia.nn import Batch, Nest, tensors_of

__all__ = [
    "judged_metrics",
    "require_functions",
    "require_inputs",
    "require_names",
    "require_scalar",
    "require_weights",
]

_ARGUMENTS = {
    "loss": ("outputs", "batch"),
    "valid_loss": ("outputs", "batch"),
    "inputs": ("batch",),
    "targets": ("batch",),
    "forward": ("model", "batch"),
    "weight": ("batch",),
    "judge": ("model", "batches"),
    "derive": ("metrics",),
    "distill": ("outputs", "teacher", "batch"),
    "check": ("outputs", "batch"),
}

_NO_INPUTS = (torch.uint8, torch.int8, torch.int16)


def require_inputs(name: str, inputs: Nest) -> None:
    """Check that the inputs of a model are floats or indices, or, beside others, a mask.

    Raises:
        EvaluationError: If they have another type, such as the bytes of an image.
    """
    tensors = list(tensors_of(inputs))
    for tensor in tensors:
        if tensor.dtype in _NO_INPUTS or (tensor.dtype == torch.bool and len(tensors) == 1):
            msg = (
                f"The inputs of '{name}' are floats, or int64 indices for an embedding, "
                f"got {str(tensor.dtype).removeprefix('torch.')}. "
                f"Convert them, such as x.float() / 255 for the bytes of an image."
            )
            raise EvaluationError(msg)


def require_weights(name: str, data: TensorData | LoadedData, weight: Callable[[Batch], float]) -> None:
    """Check that some target counts, where the data lies in memory.

    Raises:
        EvaluationError: If all the data has the weight 0.
    """
    if data.in_memory and not any(weight(batch) for batch in data.in_memory):
        msg = (
            f"No target of '{name}' counts, so there is no loss. Give data whose targets are not all ignored."
        )
        raise EvaluationError(msg)


def require_functions(owner: str, functions: Mapping[str, Any]) -> None:
    """Check that the functions of a recipe can be called as they will be.

    Args:
        owner: Name of the recipe, for errors.
        functions: Values by field. A field that is not a function of a recipe is left alone, and so is None.

    Raises:
        EvaluationError: If one is not a function, or takes another number of arguments.
    """
    for name, function in functions.items():
        if name not in _ARGUMENTS or function is None:
            continue
        taken = _ARGUMENTS[name]
        try:
            signature(function).bind(*taken)
        except ValueError:
            continue  # a builtin that does not say what it takes
        except TypeError as error:
            msg = (
                f"'{name}' of {owner} is a function ({', '.join(taken)}), got {function!r}: {error}. "
                f"Give {name}=lambda {', '.join(taken)}: ..."
            )
            raise EvaluationError(msg) from error


def require_names(preset: str, settings: Mapping[str, Any], *makers: Callable[..., Any]) -> None:
    """Check the names of a preset's further settings against the arguments of what takes them.

    Raises:
        EvaluationError: If one is not known; the message names a similar one.
    """
    known = sorted({name for maker in makers for name in signature(maker).parameters} - {"settings"})
    for name in settings:
        if name not in known:
            similar = get_close_matches(name, known, 1)
            remedy = f"Did you mean {similar[0]!r}?" if similar else f"Take one of {', '.join(known)}."
            msg = f"{preset} has no setting {name!r}. {remedy}"
            raise EvaluationError(msg)


def require_scalar(owner: str, name: str, value: Any) -> None:
    """Check that a function of a recipe has returned a tensor of one number.

    Raises:
        EvaluationError: If it has not.
    """
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        msg = (
            f"'{name}' of {owner} returns a scalar tensor, got {got:.100}. Average over the batch, with "
            "operations of torch on the outputs, such as .mean()."
        )
        raise EvaluationError(msg)


def judged_metrics(owner: str, select: str, found: Any) -> dict[str, float]:
    """Return what the function `judge` of a recipe has found, as numbers.

    Raises:
        EvaluationError: If it is not a mapping of numbers that holds the metric of `select`.
    """
    try:
        metrics = {str(name): float(value) for name, value in found.items()}
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        msg = (
            f"'judge' of {owner} returns a mapping from names to numbers, got {found!r:.100}. "
            f"Return a dictionary, such as {{{select!r}: value}}."
        )
        raise EvaluationError(msg) from error
    if select not in metrics:
        msg = (
            f"'judge' of {owner} returns {sorted(metrics)}, but 'select' takes the best epoch by {select!r}. "
            "Return that metric too, or set select=(name, direction) to one that it returns."
        )
        raise EvaluationError(msg)
    return metrics
