"""What a model takes as input: shapes and dtypes, no data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from retia.errors import EvaluationError

__all__ = ["Example", "ExampleLike"]

ExampleLike: TypeAlias = "Example | Sequence[int] | Tensor | Sequence[Tensor] | Mapping[str, Tensor]"
"""A shape without the batch dimension; or tensors with it, of which shapes and dtypes are kept."""


@dataclass(frozen=True)
class Example:
    """The inputs of a model, positional or by name, each with a shape without the batch dimension and a dtype."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, example: ExampleLike, *, dtype: torch.dtype | None = None) -> "Example":
        """Read an example from what a user gives.

        Raises:
            EvaluationError: If it is no shape and no tensors with a batch dimension.
        """
        if isinstance(example, Example):
            return example
        if isinstance(example, Mapping):
            tensors = tuple(example.values())
            names = tuple(example)
        elif isinstance(example, Tensor):
            tensors, names = (example,), None
        else:
            items = tuple(cast("Sequence[Any]", example))
            if items and all(isinstance(item, int) and item > 0 for item in items):
                return cls((cast("tuple[int, ...]", items),), (dtype or torch.float32,))
            tensors, names = items, None
        if not tensors or not all(isinstance(tensor, Tensor) and tensor.ndim for tensor in tensors):
            msg = (
                f"An input is a shape without the batch dimension, such as (3, 32, 32), or tensors with a batch dimension, "
                f"alone, in a tuple or by name; got {example!r}."
            )
            raise EvaluationError(msg)
        return cls(tuple(tuple(tensor.shape[1:]) for tensor in tensors), tuple(tensor.dtype for tensor in tensors), names)

    def on(self, device: torch.device | str, *, batch: int) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Return positional and named tensors of zeros with a batch dimension."""
        tensors = tuple(torch.zeros(batch, *shape, dtype=dtype, device=device) for shape, dtype in zip(self.shapes, self.dtypes, strict=True))
        if self.names is None:
            return tensors, {}
        return (), dict(zip(self.names, tensors, strict=True))

    def __str__(self) -> str:
        shown = [str(tuple(shape)) for shape in self.shapes]
        return ", ".join(shown if self.names is None else (f"{name}: {shape}" for name, shape in zip(self.names, shown, strict=True)))
