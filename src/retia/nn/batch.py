"""Batches: nests of tensors that are split, moved and passed to a model."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from copy import copy
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from retia.errors import EvaluationError

__all__ = [
    "Batch",
    "Nest",
    "arguments",
    "inputs_of",
    "map_tensors",
    "move",
    "run_on",
    "sample_count",
    "targets_of",
    "tensors_of",
    "with_inputs",
]

Nest: TypeAlias = Any
"""A tensor; a tuple, list or mapping of nests; or an object with a method `to`, such as a graph.

Other values are left unchanged.
"""

Batch: TypeAlias = Nest
"""A pair (inputs, targets), a mapping with a key "labels", or an object with an attribute `y`."""

LABELS = ("labels", "label", "targets", "target")
"""Keys of the targets of a mapping, which has only one of them."""


def map_tensors(function: Callable[..., Any], nest: Nest, *others: Nest) -> Nest:
    """Apply a function to each tensor of a nest, and to its counterparts in `others`.

    The nests have the same structure. A mapping keeps its type if items can be assigned to a copy.

    >>> map_tensors(lambda x: x + 1, {"a": torch.tensor(1), "b": (torch.tensor(2), "text")})
    {'a': tensor(2), 'b': (tensor(3), 'text')}
    """
    return _map_leaves(
        lambda leaf, *more: function(leaf, *more) if isinstance(leaf, Tensor) else leaf, nest, *others
    )


def tensors_of(nest: Nest) -> Iterator[Tensor]:
    """Yield the tensors of a nest, in order."""
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, Mapping | tuple | list):
        parts: Iterable[Any] = nest.values() if isinstance(nest, Mapping) else nest
        for part in parts:
            yield from tensors_of(part)


def move(
    nest: Nest, device: torch.device | str, memory_format: torch.memory_format = torch.preserve_format
) -> Nest:
    """Return a nest on a device; float64 becomes float32, and (B, C, H, W) takes the memory format.

    Other objects that have a method `to`, such as a graph, are moved by it.
    """

    def moved(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            dtype = torch.float32 if leaf.dtype == torch.float64 else leaf.dtype
            return leaf.to(
                device, dtype, memory_format=memory_format if leaf.ndim == 4 else torch.preserve_format
            )
        return leaf.to(device) if hasattr(leaf, "to") else leaf

    return _map_leaves(moved, nest)


def inputs_of(batch: Batch) -> Nest:
    """Return the inputs of a batch: the first of a pair, a mapping without its labels, or the object.

    Raises:
        EvaluationError: If `batch` is a tuple or list that is not a pair, or a mapping with several labels.
    """
    if isinstance(batch, tuple | list):
        return _pair(cast("Sequence[Any]", batch))[0]
    if isinstance(batch, Mapping):
        named = cast("Mapping[str, Any]", batch)
        label = _label(named)
        return {name: value for name, value in named.items() if name != label}
    return batch


def targets_of(batch: Batch) -> Nest:
    """Return the targets of a batch: the second of a pair, the labels of a mapping, or the attribute `y`.

    Raises:
        EvaluationError: If `batch` has no targets in these places, or is a mapping with several labels.
    """
    if isinstance(batch, tuple | list):
        return _pair(cast("Sequence[Any]", batch))[1]
    if isinstance(batch, Mapping):
        named = cast("Mapping[str, Any]", batch)
        label = _label(named)
        if label is not None:
            return named[label]
        got = f"a mapping of {sorted(named)}"
    else:
        if not isinstance(batch, Tensor) and getattr(batch, "y", None) is not None:
            return batch.y
        got = f"a {type(batch).__name__}"
    msg = (
        "The targets of a batch are the second of a pair, the labels of a mapping "
        f"({', '.join(map(repr, LABELS))}), or the attribute 'y' of an object, got {got}. "
        "Say where they are: targets=lambda batch: ..."
    )
    raise EvaluationError(msg)


def with_inputs(batch: Batch, inputs: Nest) -> Batch:
    """Return a batch in which `inputs` replace what `inputs_of` returns."""
    if isinstance(batch, tuple | list):
        return inputs, _pair(cast("Sequence[Any]", batch))[1]
    return {**cast("Mapping[str, Any]", batch), **inputs} if isinstance(batch, Mapping) else inputs


def arguments(inputs: Nest) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return inputs as positional and keyword arguments of `forward`.

    A tuple or list gives positional arguments, a mapping keyword arguments, anything else one argument.

    >>> arguments((1, 2)), arguments({"ids": 3}), arguments(4)
    (((1, 2), {}), ((), {'ids': 3}), ((4,), {}))
    """
    if isinstance(inputs, Mapping):
        return (), dict(cast("Mapping[str, Any]", inputs))
    return (tuple(cast("Sequence[Any]", inputs)) if isinstance(inputs, tuple | list) else (inputs,)), {}


def run_on(model: nn.Module, inputs: Nest) -> Any:
    """Return the output of a model for inputs."""
    args, kwargs = arguments(inputs)
    return model(*args, **kwargs)


def sample_count(batch: Batch, targets: Callable[[Batch], Nest] = targets_of) -> int:
    """Return the number of samples in a batch.

    It is the length of the targets; without targets an attribute `num_graphs` or `batch_size` of the batch;
    without these the first dimension of its tensors, if it is the same for all.

    Args:
        batch: The batch.
        targets: Function `batch -> targets`. Default: `targets_of`.

    Raises:
        EvaluationError: If the number can't be determined in any of these ways.

    >>> sample_count({"edges": torch.zeros(2, 9), "x": torch.zeros(3, 4), "labels": torch.zeros(3)})
    3
    """
    try:
        found = _target_count(targets(batch))
    except EvaluationError:
        found = None
    for name in ("num_graphs", "batch_size"):
        if found is None and isinstance(count := getattr(batch, name, None), int):
            found = count
    if found is None and (found := _length(batch)) is None:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors_of(batch))
        msg = (
            f"The number of samples of a batch is not known: a {type(batch).__name__}"
            f"{f' of tensors of shapes {shapes}' if shapes else ''}. Its targets tell it, or an attribute "
            "'num_graphs' or 'batch_size', or tensors of one length. "
            "Give the number over which the loss averages: weight=lambda batch: ..."
        )
        raise EvaluationError(msg)
    return found


def _target_count(targets: Nest) -> int | None:
    """Return the length of targets; a list may hold a text, a number or a mapping for each sample."""
    if isinstance(targets, tuple | list):
        parts = cast("Sequence[Any]", targets)
        fields = (Tensor, tuple, list) if isinstance(targets, list) else (Tensor, tuple, list, Mapping)
        if parts and not any(isinstance(part, fields) for part in parts):
            return len(parts)
    return _length(targets)


def _length(nest: Nest) -> int | None:
    """Return the first dimension of the tensors of a nest, if they all agree in it."""
    lengths = {len(tensor) for tensor in tensors_of(nest) if tensor.ndim}
    return lengths.pop() if len(lengths) == 1 else None


def _map_leaves(function: Callable[..., Any], nest: Nest, *others: Nest) -> Nest:
    if isinstance(nest, Tensor):
        return function(nest, *others)
    if isinstance(nest, Mapping):
        named = cast("Mapping[str, Any]", nest)
        mapped = {
            name: _map_leaves(function, part, *(other[name] for other in others))
            for name, part in named.items()
        }
        return _like(named, mapped)
    if isinstance(nest, tuple | list):
        parts = [
            _map_leaves(function, *several)
            for several in zip(cast("Sequence[Any]", nest), *others, strict=True)
        ]
        if isinstance(nest, list):
            return parts
        return type(nest)(*parts) if hasattr(nest, "_fields") else tuple(parts)  # pyright: ignore[reportUnknownVariableType]  # a named tuple
    return function(nest, *others)


def _like(nest: Mapping[str, Any], parts: dict[str, Any]) -> Mapping[str, Any]:
    """Return a mapping of the same type with other parts, such as an output of a Hugging Face model.

    A mapping without assignment is returned itself if no part has changed, and else as a dictionary.
    """
    if type(nest) is dict:
        return parts
    if isinstance(nest, MutableMapping):
        made = copy(nest)
        for name, part in parts.items():
            made[name] = part
        return made
    return nest if all(nest[name] is part for name, part in parts.items()) else parts


def _label(batch: Mapping[str, Any]) -> str | None:
    """Return the key of a mapping's targets."""
    found = [name for name in LABELS if name in batch]
    if len(found) > 1:
        msg = (
            f"A batch has several keys that may hold its targets: {found}. "
            f"Say which are the targets, and what the model gets: "
            f"targets=lambda batch: batch[{found[0]!r}], inputs=lambda batch: ..."
        )
        raise EvaluationError(msg)
    return found[0] if found else None


def _pair(batch: Sequence[Any]) -> Sequence[Any]:
    if len(batch) != 2:
        msg = (
            f"A batch that is a {type(batch).__name__} must be a pair (inputs, targets), "
            f"got {len(batch)} parts. "
            "Say which are which: inputs=lambda batch: ..., targets=lambda batch: ... "
            "A list of tensors is read as one such batch; give several batches as pairs, [(x, y), ...]."
        )
        raise EvaluationError(msg)
    return batch
