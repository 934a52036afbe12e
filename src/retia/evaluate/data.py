"""Data of any form as batches on a device."""

import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, default_collate

from retia.errors import EvaluationError
from retia.nn import Batch, Nest, map_tensors, move, seeded, tensors_of

__all__ = ["Data", "LoadedData", "TensorData", "as_data", "describe_data"]

Data: TypeAlias = Any
"""Tensors or arrays in any nest, a `Dataset`, a `DataLoader`, or another collection of batches that can be
iterated again.
"""


_ONE_BATCH = (
    " A list of tensors is read as all the data, [inputs, targets]. "
    "Give batches as pairs, [(x, y), ...]; or batches of one tensor as DataLoader(list, batch_size=None)."
)


@dataclass(frozen=True, eq=False)
class TensorData:
    """Data that fits in memory: batches are taken by index, without Python code per sample.

    Args:
        tensors: Nest of tensors (N, ...), such as a pair (inputs, targets).
    """

    tensors: Nest

    def __len__(self) -> int:
        """Return the number of samples, N."""
        return len(next(tensors_of(self.tensors)))

    def placed(self, device: torch.device, memory_format: torch.memory_format) -> "TensorData":
        """Return the data on a device; images, (N, C, H, W), in the memory format."""
        return TensorData(move(self.tensors, device, memory_format))

    def taken(self, index: Any) -> Batch:
        """Return the samples of an index, as a batch."""
        return map_tensors(lambda tensor: tensor[index], self.tensors)

    def batches(self, size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield batches, in random order if a generator is given; the last one may be smaller.

        In random order, a last batch of a single sample is left out, because batch normalization can't train
        on it.
        """
        if generator is None:
            for start in range(0, len(self), size):
                yield self.taken(slice(start, start + size))
            return
        order = torch.randperm(len(self), generator=generator).to(next(tensors_of(self.tensors)).device)
        for index in order.split(size)[: self.steps(size)]:
            yield self.taken(index)

    def first(self) -> Batch:
        """Return the first batch, of up to two samples."""
        return self.taken(slice(2))

    @property
    def in_memory(self) -> Sequence[Batch]:
        """All the data, as one batch."""
        return [self.tensors]

    def steps(self, size: int) -> int:
        """Return the number of batches in random order."""
        return -(-len(self) // size) - _leaves_one(len(self), size)

    def generators(self) -> list[torch.Generator]:
        """Return an empty list: only the generator that is given determines the order."""
        return []

    @contextmanager
    def rewound(self) -> Generator[None]:
        """Do nothing: only the generator that is given determines the order."""
        yield

    def __repr__(self) -> str:
        parts = (
            self.tensors
            if isinstance(self.tensors, Mapping)
            else dict(zip(("x", "y"), tensors_of(self.tensors), strict=False))
        )
        shown = (
            f"{name}: {tuple(part.shape)} {_dtype(part)}"
            for name, part in cast("Mapping[str, Any]", parts).items()
            if isinstance(part, Tensor)
        )
        return f"TensorData({', '.join(shown)})"


@dataclass(frozen=True, eq=False)
class LoadedData:
    """Data that a `DataLoader`, a `Dataset` or another collection of batches yields.

    Args:
        source: Collection of batches or samples.
        device: Device of the batches. Default "cpu".
        memory_format: Memory format of images. Default: that of the batch.
    """

    source: Any
    device: "torch.device | str" = "cpu"
    memory_format: torch.memory_format = torch.preserve_format

    def placed(self, device: torch.device, memory_format: torch.memory_format) -> "LoadedData":
        """Return the data with batches on a device; images, (B, C, H, W), in the memory format."""
        return replace(self, device=device, memory_format=memory_format)

    def batches(self, size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield batches; the user's own loader has its own size and order."""
        for batch in self._loader(size, generator):
            yield move(batch, self.device, self.memory_format)

    def first(self) -> Batch:
        """Return a first batch; it has one sample where the data can be indexed."""
        with seeded(0), self.rewound():
            return move(self._first(), "cpu")

    @property
    def in_memory(self) -> Sequence[Batch]:
        """The batches of a list; an empty list for other sources."""
        return self.source if isinstance(self.source, list) else []

    def steps(self, size: int) -> int:
        """Return the number of batches of an epoch; a stream without a length is iterated to count them."""
        loader = self._loader(size, torch.Generator())
        try:
            return len(cast("Any", loader))
        except TypeError:
            return sum(1 for _ in loader)

    def generators(self) -> list[torch.Generator]:
        """Return a loader's own generators, each once."""
        loader: Any = self.source
        owners = (
            loader,
            getattr(loader, "sampler", None),
            getattr(getattr(loader, "batch_sampler", None), "sampler", None),
        )
        found = (
            [getattr(owner, "generator", None) for owner in owners] if isinstance(loader, DataLoader) else []
        )
        return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())

    @contextmanager
    def rewound(self) -> Generator[None]:
        """Restore the loader's generators on exit, so that trials do not depend on earlier ones."""
        states = [(generator, generator.get_state()) for generator in self.generators()]
        try:
            yield
        finally:
            for generator, state in states:
                generator.set_state(state)

    def _first(self) -> Any:
        source = self.source
        if isinstance(source, DataLoader):
            if (
                source.batch_size is None
                or isinstance(source.dataset, IterableDataset)
                or type(source) is not DataLoader
            ):
                return next(iter(source))
            return source.collate_fn([source.dataset[0]])
        return (
            next(iter(self._loader(2, None)))
            if isinstance(source, IterableDataset) or not _indexed(source)
            else default_collate([source[0]])
        )

    def _loader(self, size: int, generator: torch.Generator | None) -> Iterable[Any]:
        if isinstance(self.source, DataLoader) or not (
            _indexed(self.source) or isinstance(self.source, IterableDataset)
        ):
            return self.source
        if generator is None or isinstance(self.source, IterableDataset):
            return DataLoader(self.source, batch_size=size)
        alone = _leaves_one(len(self.source), size)
        return DataLoader(self.source, batch_size=size, shuffle=True, generator=generator, drop_last=alone)

    def __repr__(self) -> str:
        return f"LoadedData({type(self.source).__name__})"


def as_data(name: str, data: Data) -> TensorData | LoadedData:
    """Return data in a form that yields batches.

    Args:
        name: Name of the field, for errors.
        data: Data in one of the accepted forms.

    Raises:
        EvaluationError: If `data` is not of an accepted form, is empty, has tensors of different lengths, or
            holds a NaN or an infinity.
    """
    if isinstance(data, TensorData | LoadedData):
        return data
    data = _tensors_of_dataset(data)
    if isinstance(data, np.ndarray | Tensor | Mapping) or (
        isinstance(data, tuple | list) and data and _tensors_only(data)
    ):
        return _tensor_data(name, data)
    if isinstance(data, Iterator):
        msg = (
            f"'{name}' can be iterated once only, and is needed in every epoch: got {type(data).__name__}. "
            "Give a list, a DataLoader or an IterableDataset."
        )
        raise EvaluationError(msg)
    if isinstance(data, tuple) or not (
        isinstance(data, list | Dataset | DataLoader)
        or (not isinstance(data, str | bytes) and (_indexed(data) or hasattr(data, "__iter__")))
    ):
        msg = (
            f"'{name}' is tensors or arrays, such as a pair (x, y), a Dataset, "
            f"a DataLoader or a list of batches, got {type(data).__name__}. Give one of these."
        )
        raise EvaluationError(msg)
    loaded = LoadedData(data)
    _check_source(name, loaded)
    return loaded


def describe_data(data: "TensorData | LoadedData") -> Any:
    """Return what identifies data, as JSON: shapes, dtypes and checksums; the type and length of a loader."""
    if isinstance(data, TensorData):
        nest = data.tensors
        if isinstance(nest, tuple | list) and len(cast("Sequence[Any]", nest)) == 2:
            nest = dict(zip(("x", "y"), cast("Sequence[Any]", nest), strict=True))
        return map_tensors(_described, nest)
    source: Any = data.source
    length = (
        len(source)
        if hasattr(source, "__len__") and not isinstance(getattr(source, "dataset", source), IterableDataset)
        else None
    )
    return {"type": type(source).__qualname__, "length": length}


def _tensor_data(name: str, data: Any) -> TensorData:
    tensors = _as_tensors(data)
    found = list(tensors_of(tensors))
    if (
        not found
        or not all(tensor.ndim for tensor in found)
        or len({len(tensor) for tensor in found}) > 1
        or not len(found[0])
    ):
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in found)
        msg = (
            f"The tensors of '{name}' need the same number of samples in their first dimension, "
            f"at least one, got the shapes {shapes or 'of no tensor'}.{_ONE_BATCH * isinstance(data, list)}"
        )
        raise EvaluationError(msg)
    for tensor in found:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            wrong = ~tensor.isfinite()
            count = int((wrong.flatten(1).any(1) if wrong.ndim > 1 else wrong).sum())
            msg = (
                f"'{name}' holds a NaN or an infinity, in {count} of {len(tensor)} samples. "
                "Remove or fill them before the search."
            )
            raise EvaluationError(msg)
    return TensorData(
        map_tensors(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor, tensors)
    )


def _as_tensors(data: Any) -> Any:
    if isinstance(data, np.ndarray):
        return torch.as_tensor(data)
    if isinstance(data, Mapping):
        return {name: _as_tensors(part) for name, part in cast("Mapping[str, Any]", data).items()}
    if isinstance(data, tuple | list):
        return tuple(_as_tensors(part) for part in cast("Sequence[Any]", data))
    return data


def _tensors_only(nest: Any) -> bool:
    """Whether a nest holds only tensors and arrays; a list with anything else in it holds batches."""
    if isinstance(nest, Mapping):
        return all(map(_tensors_only, cast("Mapping[str, Any]", nest).values()))
    if isinstance(nest, tuple):
        return all(map(_tensors_only, cast("Sequence[Any]", nest)))
    if isinstance(nest, list):
        return all(isinstance(part, Tensor | np.ndarray) for part in cast("Sequence[Any]", nest))
    return isinstance(nest, Tensor | np.ndarray)


def _indexed(source: Any) -> bool:
    """Whether a source holds samples by index, of which a `DataLoader` makes batches."""
    return not isinstance(source, list | tuple | DataLoader | IterableDataset) and hasattr(
        source, "__getitem__"
    )


def _described(tensor: Tensor) -> dict[str, Any]:
    array = np.ascontiguousarray(tensor.detach().cpu().numpy())
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "checksum": zlib.crc32(array.data.cast("B")),
    }


def _tensors_of_dataset(data: Data) -> Data:
    """Return the tensors of a `TensorDataset`, or of a part of one; other data as it is."""
    if isinstance(data, TensorDataset):
        return data.tensors
    if isinstance(data, Subset) and isinstance(data.dataset, TensorDataset):
        index = torch.as_tensor(list(data.indices))
        return tuple(tensor[index] for tensor in data.dataset.tensors)
    return data


def _check_source(name: str, data: LoadedData) -> None:
    source: Any = data.source
    kind = type(source).__name__
    try:
        empty = not len(source)
    except TypeError:
        empty = False
        if _indexed(source):
            msg = f"'{name}' is a {kind} without a length. Give it __len__, or make it an IterableDataset."
            raise EvaluationError(msg) from None
    batch = None
    try:
        batch = None if empty else data.first()
    except StopIteration:
        pass
    except (TypeError, ValueError) as error:
        msg = (
            f"'{name}' must yield batches, but no batch can be made of a {kind}: {type(error).__name__}: "
            f"{error}. Wrap it, or set collate_fn."
        )
        raise EvaluationError(msg) from error
    if batch is None:
        msg = (
            f"'{name}' is empty: its {kind} has no batches. Is the batch size, with drop_last, "
            "larger than the data?"
        )
        raise EvaluationError(msg)
    if next(tensors_of(batch), None) is None and not hasattr(batch, "to"):
        msg = (
            f"'{name}' must yield batches with tensors, but a {kind} gave {type(batch).__name__}. "
            "Set collate_fn."
        )
        raise EvaluationError(msg)


def _leaves_one(count: int, size: int) -> bool:
    return count > size > 1 and count % size == 1


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
