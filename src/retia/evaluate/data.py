"""Data in whatever form a user has it, as batches on a device."""

import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, default_collate

from retia.errors import EvaluationError
from retia.evaluate.checks import check_finite, check_inputs, check_targets
from retia.nn import seeded

__all__ = ["Batch", "Data", "LoadedData", "TensorData", "as_data", "describe_data", "forward_arguments"]

Batch: TypeAlias = tuple[Any, Tensor]
"""Inputs (a tensor, a tuple of tensors, or tensors by name) and targets."""

Data: TypeAlias = Any
"""`(x, y)` tensors or arrays, a `Dataset` of pairs, or a `DataLoader` of batches of pairs."""


@dataclass(frozen=True, eq=False)
class TensorData:
    """Data that fits in memory: batches are taken by index, without any Python for each sample.

    Args:
        x: The inputs, (N, ...).
        y: The targets, (N, ...).
    """

    x: Tensor
    y: Tensor

    def placed(self, device: torch.device, memory_format: torch.memory_format) -> "TensorData":
        """Return the data on a device; images, (N, C, H, W), in the memory format."""
        return TensorData(_place(self.x, device, memory_format), self.y.to(device))

    def batches(self, size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield batches, in random order if a generator is given; the last one may be smaller.

        In random order a last batch of a single sample is left out, for batch normalization can't train on it.
        """
        if generator is None:
            yield from zip(self.x.split(size), self.y.split(size), strict=True)
            return
        order = torch.randperm(len(self.x), generator=generator).to(self.x.device)
        for index in order.split(size)[: self.steps(size)]:
            yield self.x[index], self.y[index]

    def first(self) -> Batch:
        """Return the first batch, of up to two samples."""
        return self.x[:2], self.y[:2]

    def steps(self, size: int) -> int:
        """Return the number of batches in random order."""
        return -(-len(self.x) // size) - _leaves_one(len(self.x), size)

    def generators(self) -> list[torch.Generator]:
        """Return none: there is no order but that of the generator given."""
        return []

    def classes(self) -> int:
        """Return how many classes the class numbers need at least."""
        return int(self.y.max()) + 1

    @contextmanager
    def rewound(self) -> Generator[None]:
        """Do nothing: there is no order but that of the generator given."""
        yield

    def __repr__(self) -> str:
        shown = (f"{name}: {tuple(part.shape)} {str(part.dtype).removeprefix('torch.')}" for name, part in (("x", self.x), ("y", self.y)))
        return f"TensorData({', '.join(shown)})"


@dataclass(frozen=True, eq=False)
class LoadedData:
    """Data that a `DataLoader` or a `Dataset` yields.

    Args:
        source: Where it comes from.
        target_dtype: What targets are turned into.
        device: Where batches are put.
        memory_format: Of images.
    """

    source: "DataLoader[Any] | Dataset[Any]"
    target_dtype: torch.dtype
    device: "torch.device | str" = "cpu"
    memory_format: torch.memory_format = torch.preserve_format

    def placed(self, device: torch.device, memory_format: torch.memory_format) -> "LoadedData":
        """Return the data with batches on a device; images, (B, C, H, W), in the memory format."""
        return replace(self, device=device, memory_format=memory_format)

    def batches(self, size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield batches; a user's own loader decides on size and order."""
        for x, y in self._loader(size, generator):
            yield _place(x, self.device, self.memory_format), y.to(self.device, self.target_dtype)

    def first(self) -> Batch:
        """Return a first batch: of one sample where the data can be indexed.

        Raises:
            TypeError: If it is no pair.
        """
        with seeded(0), self.rewound():
            batch = self._first()
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            got = f"{type(batch).__name__} of {len(batch)}" if isinstance(batch, tuple | list | dict) else type(batch).__name__
            msg = f"a batch is a {got}"
            raise TypeError(msg)
        x, y = batch
        return _place(x, "cpu", torch.preserve_format), y

    def steps(self, size: int) -> int:
        """Return the number of batches in random order; a stream of unknown length is counted by running through it."""
        loader = self._loader(size, torch.Generator())
        try:
            return len(loader)
        except TypeError:
            return sum(1 for _ in loader)

    def classes(self) -> int:
        """Return the least that any classifier has: what a loader will yield is not known."""
        return 2

    def generators(self) -> list[torch.Generator]:
        """Return a loader's own generators, each once."""
        loader: Any = self.source
        owners = (loader, getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None))
        found = [getattr(owner, "generator", None) for owner in owners] if isinstance(loader, DataLoader) else []
        return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())

    @contextmanager
    def rewound(self) -> Generator[None]:
        """Put a loader's own generators back afterwards, so that no trial's order depends on the trials before it."""
        states = [(generator, generator.get_state()) for generator in self.generators()]
        try:
            yield
        finally:
            for generator, state in states:
                generator.set_state(state)

    def _first(self) -> Any:
        loader: Any = self.source
        if not isinstance(self.source, DataLoader):
            return next(iter(self._loader(2, None))) if isinstance(self.source, IterableDataset) else default_collate([loader[0]])
        if loader.batch_size is None or isinstance(loader.dataset, IterableDataset):
            return next(iter(loader))
        return loader.collate_fn([loader.dataset[0]])

    def _loader(self, size: int, generator: torch.Generator | None) -> "DataLoader[Any]":
        if isinstance(self.source, DataLoader):
            return self.source
        if isinstance(self.source, IterableDataset):
            return DataLoader(self.source, batch_size=size)
        if generator is None:
            return DataLoader(self.source, batch_size=size)
        alone = _leaves_one(len(cast("Any", self.source)), size)
        return DataLoader(self.source, batch_size=size, shuffle=True, generator=generator, drop_last=alone)

    def __repr__(self) -> str:
        return f"LoadedData({type(self.source).__name__})"


def as_data(name: str, data: Data, *, whole_targets: bool) -> TensorData | LoadedData:
    """Return data as batches can be taken from it.

    Args:
        name: The evaluator's field, for errors.
        data: What the user gave.
        whole_targets: Whether targets are class numbers.

    Raises:
        EvaluationError: If it is none of the accepted forms, is empty, or has parts that don't fit.
    """
    if isinstance(data, TensorData | LoadedData):
        return data
    dtype = torch.long if whole_targets else torch.float32
    data = _tensors_of(data)
    if isinstance(data, DataLoader | Dataset):
        loaded = LoadedData(data, dtype)
        y = _checked_first(name, loaded)
        check_targets(name, y, whole=whole_targets)
        return loaded
    if not isinstance(data, Sequence) or len(data) != 2 or not all(isinstance(part, Tensor | np.ndarray) for part in data):
        got = f"{type(data).__name__} of {len(data)}" if isinstance(data, Sequence) else type(data).__name__
        msg = f"'{name}' is a pair (x, y) of tensors or arrays, a Dataset or a DataLoader, got {got}."
        raise EvaluationError(msg)
    x, y = (torch.as_tensor(part) for part in cast("Sequence[Any]", data))
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        msg = f"'{name}' needs as many inputs as targets, at least one, got shapes {tuple(x.shape)} and {tuple(y.shape)}."
        raise EvaluationError(msg)
    check_inputs(name, x)
    check_targets(name, y, whole=whole_targets)
    x, y = x.float() if x.is_floating_point() else x, y.to(dtype)
    check_finite(name, x, y)
    return TensorData(x, y)


def forward_arguments(x: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a batch's inputs as the positional and named arguments of the model."""
    if isinstance(x, Mapping):
        return (), dict(cast("Mapping[str, Any]", x))
    return (tuple(cast("Sequence[Any]", x)) if isinstance(x, tuple | list) else (x,)), {}


def describe_data(data: "TensorData | LoadedData") -> Any:
    """Return what identifies data, as JSON: shapes, dtypes and checksums; of a loader its type and length."""
    if isinstance(data, TensorData):
        return {name: _described(part) for name, part in (("x", data.x), ("y", data.y))}
    source: Any = data.source
    length = len(source) if hasattr(source, "__len__") and not isinstance(getattr(source, "dataset", source), IterableDataset) else None
    return {"type": type(source).__qualname__, "length": length}


def _described(tensor: Tensor) -> dict[str, Any]:
    array = np.ascontiguousarray(tensor.detach().cpu().numpy())
    return {"shape": list(array.shape), "dtype": str(array.dtype), "checksum": zlib.crc32(array.data.cast("B"))}


def _tensors_of(data: Data) -> Data:
    """Return the tensors of a `TensorDataset`, or of a part of one; other data as it is."""
    if isinstance(data, TensorDataset):
        return data.tensors
    if isinstance(data, Subset) and isinstance(data.dataset, TensorDataset):
        index = torch.as_tensor(list(data.indices))
        return tuple(tensor[index] for tensor in data.dataset.tensors)
    return data


def _checked_first(name: str, data: LoadedData) -> Tensor:
    """Return the targets of the first batch, after a look at the batch."""
    source: Any = data.source
    kind = type(source).__name__
    try:
        empty = not len(source)
    except TypeError:
        empty = False
        if not isinstance(getattr(source, "dataset", source), IterableDataset):
            msg = f"'{name}' is a {kind} without a length. Give it __len__, or make it an IterableDataset."
            raise EvaluationError(msg) from None
    batch: Batch | None = None
    try:
        batch = None if empty else data.first()
    except StopIteration:
        pass
    except (TypeError, ValueError) as error:
        msg = f"'{name}' must yield pairs (x, y), but a {kind} gave something else: {type(error).__name__}: {error}. Wrap it, or set collate_fn."
        raise EvaluationError(msg) from error
    if batch is None:
        msg = f"'{name}' is empty: its {kind} has no batches. Is the batch size, with drop_last, larger than the data?"
        raise EvaluationError(msg)
    if not isinstance(batch[1], Tensor):
        msg = f"'{name}' must yield pairs (x, y) with a tensor of targets, but a {kind} gave {type(batch[1]).__name__}. Set collate_fn."
        raise EvaluationError(msg)
    return batch[1]


def _leaves_one(count: int, size: int) -> bool:
    return count > size > 1 and count % size == 1


def _place(x: Any, device: torch.device | str, memory_format: torch.memory_format) -> Any:
    if isinstance(x, Mapping):
        return {name: _place(part, device, memory_format) for name, part in cast("Mapping[str, Any]", x).items()}
    if isinstance(x, tuple | list):
        return tuple(_place(part, device, memory_format) for part in cast("Sequence[Any]", x))
    if not isinstance(x, Tensor):
        return x
    dtype = torch.float32 if x.dtype == torch.float64 else x.dtype
    return x.to(device, dtype, memory_format=memory_format if x.ndim == 4 else torch.preserve_format)
