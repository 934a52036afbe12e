"""Modules that hold more than one architecture uses, and take out of it what the present one does."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from torch import nn

__all__ = ["Switch"]


class Switch(nn.Module, ABC):
    """A module that stands where a plain one does in the model built alone, and holds what any architecture
    needs there.

    It is what `layer_choice`, `repeat` and `cell` return while a constructor runs with symbolic values. Which
    of its modules take part is read from its attributes, which a supernet sets.
    """

    @abstractmethod
    def present(self) -> Iterable[tuple[str, nn.Module]]:
        """Return the modules that take part, by their name in the model built alone; "" is the switch
        itself.
        """
