"""Spaces that build models, seen by packages that do not import torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from retia.space import Value

__all__ = ["Buildable", "WeightKeeping"]


@runtime_checkable
class Buildable(Protocol):
    """A space that builds the models of its architectures, such as `retia.ModelSpace`."""

    def build(self, architecture: Mapping[str, Value], device: Any = None, seed: int | None = None) -> Any:
        """Build a model: an `nn.Module`."""
        ...


@runtime_checkable
class WeightKeeping(Protocol):
    """A space that keeps the weights and the training states of its models in files."""

    def keep(self, model: Any, path: Path) -> None:
        """Write a model's weights; the file is replaced atomically."""
        ...

    def load(self, architecture: Mapping[str, Value], path: Path, device: Any = None) -> Any:
        """Build a model with the weights from a file, in evaluation mode."""
        ...

    def resumption(self, run: Any, checkpoint: str) -> Any:
        """Return the object behind `Run.save` and `Run.resume`."""
        ...
