"""Example inputs of a model: shapes and dtypes, without data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.nn import Nest, arguments, map_tensors, tensors_of

__all__ = ["Example", "ExampleLike"]

ExampleLike: TypeAlias = "Example | Sequence[int] | Nest"
"""A shape without the batch dimension; or tensors with it, of which only shapes and dtypes are kept."""


@dataclass(frozen=True)
class Example:
    """Inputs of a model as a nest of tensors on `meta`.

    Args:
        inputs: A tuple of positional arguments, a mapping of keyword arguments, or one argument.
        sliced: Whether the first dimension of each tensor is the batch, of any size. Default True.
    """

    inputs: Nest
    sliced: bool = True

    @classmethod
    def of(cls, example: ExampleLike, *, dtype: torch.dtype | None = None) -> "Example":
        """Return the example described by a shape or by tensors.

        Raises:
            EvaluationError: If `example` is neither a shape nor a nest of tensors with a batch dimension.
        """
        if isinstance(example, Example):
            return example
        if (
            isinstance(example, tuple | list | torch.Size)
            and example
            and all(isinstance(item, int) and item > 0 for item in cast("Sequence[Any]", example))
        ):
            return cls(
                torch.empty(1, *cast("Sequence[int]", example), dtype=dtype or torch.float32, device="meta")
            )
        tensors = list(tensors_of(example))
        if not tensors or not all(tensor.ndim for tensor in tensors):
            plain = isinstance(example, tuple | list | str | int | float | dict) and not tensors
            msg = (
                "An input is a shape without the batch dimension, such as (3, 32, 32), or tensors with a "
                "batch dimension, alone, in a tuple or by name; "
                f"got {repr(example) if plain else _types(example):.100}. Give one of these. "
                "Inputs without a batch dimension are given whole: Example.whole(inputs)."
            )
            raise EvaluationError(msg)
        return cls(map_tensors(lambda tensor: torch.empty_like(tensor[:1], device="meta"), example))

    @classmethod
    def whole(cls, inputs: Nest) -> "Example":
        """Return an example whose shapes are fixed, such as the inputs of a graph network."""
        return cls(map_tensors(lambda tensor: torch.empty_like(tensor, device="meta"), inputs), sliced=False)

    def on(self, device: torch.device | str, *, batch: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments of zeros; `batch` is the batch size if `sliced`."""

        def zeros(tensor: Tensor) -> Tensor:
            shape = (batch, *tensor.shape[1:]) if self.sliced else tensor.shape
            return torch.zeros(shape, dtype=tensor.dtype, device=device)

        return arguments(map_tensors(zeros, self.inputs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Example) and (self.sliced, str(self), self._dtypes) == (
            other.sliced,
            str(other),
            other._dtypes,
        )

    def __hash__(self) -> int:
        return hash((self.sliced, str(self), self._dtypes))

    @property
    def _dtypes(self) -> tuple[torch.dtype, ...]:
        return tuple(tensor.dtype for tensor in tensors_of(self.inputs))

    def __str__(self) -> str:
        shown = [
            str(tuple(tensor.shape[1:] if self.sliced else tensor.shape))
            for tensor in tensors_of(self.inputs)
        ]
        if isinstance(self.inputs, Mapping) and len(shown) == len(cast("Mapping[str, Any]", self.inputs)):
            shown = [
                f"{name}: {shape}"
                for name, shape in zip(cast("Mapping[str, Any]", self.inputs), shown, strict=True)
            ]
        return ", ".join(shown)


def _types(nest: Nest) -> str:
    """Return a nest by the shapes of its tensors, or by its type."""
    shapes = " and ".join(str(tuple(tensor.shape)) for tensor in tensors_of(nest))
    return f"a {type(nest).__name__}{f' of shapes {shapes}' if shapes else ''}"
