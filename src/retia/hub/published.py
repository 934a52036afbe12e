"""Published models: what a search of a space was reported to find."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from retia.nn import ModelSpace
from retia.space import Value

__all__ = ["Published"]


@dataclass(frozen=True)
class Published:
    """A model that a paper found in a space: an architecture, and the arguments of the space that it was
    found in.

    Args:
        name: What `retia.hub.load` calls it.
        factory: The class of the space's models.
        arguments: The keyword arguments of the class, where the model differs from its defaults.
        architecture: One value for each active parameter of the space.
    """

    name: str
    factory: Callable[..., nn.Module]
    arguments: Mapping[str, Any]
    architecture: Mapping[str, Value]

    def space(self, **arguments: Any) -> ModelSpace:
        """Return the space that the model is one architecture of, with some of its arguments changed or
        added.
        """
        return ModelSpace(self.factory, **{**self.arguments, **arguments})
