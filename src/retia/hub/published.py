"""Published models: reported results of searches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from retia.nn import ModelSpace
from retia.space import Value

__all__ = ["Published"]


@dataclass(frozen=True)
class Published:
    """A model that a paper reports: a space and one of its architectures.

    Args:
        name: Name of the model for `retia.hub.load`.
        factory: Class of the models of the space.
        arguments: Keyword arguments of the class that differ from its defaults.
        architecture: One value for each active parameter of the space.
    """

    name: str
    factory: Callable[..., nn.Module]
    arguments: Mapping[str, Any]
    architecture: Mapping[str, Value]

    def space(self, **arguments: Any) -> ModelSpace:
        """Return the space of the model, with `arguments` changed or added."""
        return ModelSpace(self.factory, **{**self.arguments, **arguments})
