"""All blocks of a searchable stack in one module."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from torch import nn

from retia.nn.switch import Switch

__all__ = ["ElasticSequential"]


class ElasticSequential(nn.Sequential, Switch):  # pyright: ignore[reportIncompatibleVariableOverride]  # torch's own classes differ
    """The blocks of a `repeat`, of which the first `depth` take part: in a call, a loop, an index and `len`.

    Args:
        blocks: As many as the deepest architecture has.
        depth: How many take part; it may be symbolic.
    """

    def __init__(self, blocks: Iterable[nn.Module], depth: int) -> None:
        super().__init__(*blocks)
        self.depth = depth

    def present(self) -> list[tuple[str, nn.Module]]:
        """Return the first `depth` blocks by their positions."""
        return list(islice(self._modules.items(), self.depth))  # pyright: ignore[reportReturnType]  # no block is None

    def __len__(self) -> int:
        return self.depth

    def __iter__(self) -> Iterator[nn.Module]:
        return islice(iter(self._modules.values()), self.depth)  # pyright: ignore[reportReturnType]  # no block is None

    def __getitem__(self, index: Any) -> Any:
        blocks = list(self)
        return nn.Sequential(*blocks[index]) if isinstance(index, slice) else blocks[index]

    def extra_repr(self) -> str:
        """Show how many blocks take part."""
        return f"depth={self.depth}"
