"""All blocks of a searchable stack in one module."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from torch import Tensor, nn

from retia.errors import SupernetError
from retia.nn.mixture import weighted_sum
from retia.nn.switch import Switch

__all__ = ["ElasticSequential"]


class ElasticSequential(nn.Sequential, Switch):  # pyright: ignore[reportIncompatibleVariableOverride]  # torch's own classes differ
    """The blocks of a `repeat`; calls, loops, indices and `len` see the first `depth` blocks.

    Args:
        blocks: Blocks of the deepest architecture.
        depth: Number of blocks in use; it may be symbolic.

    Attributes:
        weights: While depths are mixed, a weight per depth. A call then returns the weighted sum of the
            outputs at these depths, which must have the same structure and shapes.
    """

    def __init__(self, blocks: Iterable[nn.Module], depth: int) -> None:
        super().__init__(*blocks)
        self.depth = depth
        self.weights: Mapping[int, Tensor] | None = None

    def forward(self, input: Any) -> Any:  # noqa: A002  # as torch names it
        """Apply the blocks in use one after the other."""
        if self.weights is None:
            return super().forward(input)
        outputs = [input]
        for block in self._modules.values():
            assert block is not None
            outputs.append(block(outputs[-1]))
        return weighted_sum(self.weights.values(), (outputs[depth] for depth in self.weights))

    def present(self) -> list[tuple[str, nn.Module]]:
        """Return the first `depth` blocks by their positions."""
        return list(islice(self._modules.items(), self.depth))  # pyright: ignore[reportReturnType]  # no block is None

    def __len__(self) -> int:
        return self.depth

    def __iter__(self) -> Iterator[nn.Module]:
        if self.weights is not None:
            msg = (
                "A loop over the blocks of a repeat can't be mixed, because its effect is unknown. "
                "Call the stack itself, self.body(x), or search the depth by a method that samples paths."
            )
            raise SupernetError(msg)
        return islice(iter(self._modules.values()), self.depth)  # pyright: ignore[reportReturnType]  # no block is None

    def __getitem__(self, index: Any) -> Any:
        blocks = list(self)
        return nn.Sequential(*blocks[index]) if isinstance(index, slice) else blocks[index]

    def extra_repr(self) -> str:
        """Show the number of blocks in use."""
        return f"depth={self.depth}"
