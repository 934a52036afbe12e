"""Data in whatever form a user has it, as batches on a device."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from retia.errors import EvaluationError
from retia.nn import seeded

__all__ = ["Batch", "Data", "LoadedData", "TensorData", "as_data", "describe_data", "forward_arguments"]

Batch: TypeAlias = tuple[Any, Tensor]
"""Inputs (a tensor, a tuple of tensors, or tensors by name) and targets."""

Data: TypeAlias = Any
"""`(x, y)` tensors or arrays, a `Dataset` of pairs, or a `DataLoader` of batches of pairs."""


@dataclass(frozen=True)
class TensorData:
    """Data that fits in memory: batches are taken by index, without any Python for each sample.

    Args:
        x: The inputs, (N, ...).
        y: The targets, (N, ...).
    """

    x: Tensor
    y: Tensor

    def batches(self, device: torch.device, size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield batches on the device, in random order if a generator is given; the last one may be smaller."""
        x, y = self.x.to(device), self.y.to(device)
        if generator is None:
            yield from zip(x.split(size), y.split(size), strict=True)
            return
        for index in torch.randperm(len(x), generator=generator).to(device).split(size):
            yield x[index], y[index]

    def first(self) -> Batch:
        """Return the first batch, of up to two samples."""
        return self.x[:2], self.y[:2]

    def steps(self, size: int) -> int:
        """Return the number of batches."""
        return -(-len(self.x) // size)


@dataclass(frozen=True)
class LoadedData:
    """Data that a `DataLoader` or a `Dataset` yields."""

    source: "DataLoader[Any] | Dataset[Any]"

    def batches(self, device: torch.device, size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield batches on the device; a user's own loader decides on size and order."""
        for x, y in self._loader(size, generator):
            yield _to(x, device), y.to(device)

    def first(self) -> Batch:
        """Return the first batch."""
        with seeded(0):
            x, y = next(iter(self._loader(2, None)))
        return x, y

    def steps(self, size: int) -> int:
        """Return the number of batches."""
        return len(self._loader(size, None))

    def _loader(self, size: int, generator: torch.Generator | None) -> "DataLoader[Any]":
        if isinstance(self.source, DataLoader):
            return self.source
        return DataLoader(self.source, batch_size=size, shuffle=generator is not None, generator=generator)


def as_data(name: str, data: Data, *, whole_targets: bool) -> TensorData | LoadedData:
    """Return data as batches can be taken from it.

    Args:
        name: The evaluator's field, for errors.
        data: What the user gave.
        whole_targets: Whether targets are class numbers.

    Raises:
        EvaluationError: If it is none of the accepted forms, is empty, or has parts that don't fit.
    """
    if isinstance(data, TensorDataset) and len(data.tensors) == 2:
        data = data.tensors
    if isinstance(data, DataLoader | Dataset):
        if not len(cast("Any", data)):
            msg = f"'{name}' is empty: its {type(data).__name__} has no batches. Is the batch size, with drop_last, larger than the data?"
            raise EvaluationError(msg)
        return LoadedData(data)
    if not isinstance(data, Sequence) or len(data) != 2 or not all(isinstance(part, Tensor | np.ndarray) for part in data):
        msg = f"'{name}' is a pair (x, y) of tensors or arrays, a Dataset or a DataLoader, got {type(data).__name__}."
        raise EvaluationError(msg)
    x, y = (torch.as_tensor(part) for part in cast("Sequence[Any]", data))
    if len(x) != len(y) or not len(x):
        msg = f"'{name}' needs as many inputs as targets, at least one, got {len(x)} and {len(y)}."
        raise EvaluationError(msg)
    if x.dtype == torch.float64:
        x = x.float()
    if whole_targets:
        if y.is_floating_point() or y.ndim != 1 or int(y.min()) < 0:
            msg = f"The targets of '{name}' are class numbers 0, 1, ..., of shape (N,), got {y.dtype} of shape {tuple(y.shape)} from {y.min()}. For other targets use Regression."
            raise EvaluationError(msg)
        y = y.long()
    else:
        y = y.float()
    for part, tensor in (("inputs", x), ("targets", y)):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            msg = f"The {part} of '{name}' hold a NaN or an infinity. Remove or fill such samples before the search."
            raise EvaluationError(msg)
    return TensorData(x, y)


def forward_arguments(x: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a batch's inputs as the positional and named arguments of the model."""
    if isinstance(x, Mapping):
        return (), dict(cast("Mapping[str, Any]", x))
    return (tuple(cast("Sequence[Any]", x)) if isinstance(x, tuple | list) else (x,)), {}


def describe_data(data: Data) -> Any:
    """Return what identifies data, as JSON: shapes, dtypes and a checksum; of a loader its type and length."""
    if isinstance(data, TensorDataset):
        data = data.tensors
    if isinstance(data, Tensor | np.ndarray):
        array = np.ascontiguousarray(data.detach().cpu().numpy() if isinstance(data, Tensor) else data)
        return {"shape": list(array.shape), "dtype": str(array.dtype), "checksum": zlib.crc32(array.tobytes())}
    if isinstance(data, tuple | list):
        return [describe_data(part) for part in cast("Sequence[Any]", data)]
    return {"type": type(data).__qualname__, "length": len(data)}


def _to(x: Any, device: torch.device) -> Any:
    if isinstance(x, Mapping):
        return {name: tensor.to(device) for name, tensor in cast("Mapping[str, Tensor]", x).items()}
    return tuple(tensor.to(device) for tensor in cast("Sequence[Tensor]", x)) if isinstance(x, tuple | list) else x.to(device)
