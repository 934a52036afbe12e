"""Modules that hold what several architectures use, and select what the current architecture uses."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from torch import nn

__all__ = ["Switch"]


class Switch(nn.Module, ABC):
    """A module that replaces a plain one while a constructor runs with symbolic values.

    `layer_choice`, `repeat` and `cell` return switches then. A switch holds the modules of all architectures;
    its attributes, which a supernet sets, select those of one architecture.
    """

    @abstractmethod
    def present(self) -> Iterable[tuple[str, nn.Module]]:
        """Return the selected modules by their names in the built model; "" is the name of the switch."""
