"""Grid search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, Real, SearchSpace
from retia.trial import History, Proposal

__all__ = ["GridSearch"]


@dataclass
class GridSearch:
    """Propose every architecture, in the order of `SearchSpace.enumerate`.

    Args:
        points: Number of values of each real parameter, evenly spaced on its scale. Required if the space has
            a real parameter.
    """

    points: int | None = None
    _space: SearchSpace | None = field(default=None, init=False, repr=False, compare=False)
    _history: History | None = field(default=None, init=False, repr=False, compare=False)
    _grid: Iterator[Architecture] = field(
        default_factory=lambda: iter(()), init=False, repr=False, compare=False
    )
    _ahead: list[Architecture] = field(
        default_factory=list[Architecture], init=False, repr=False, compare=False
    )

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return the next `n` architectures that are not in the history.

        Raises:
            SpaceError: If the space has a real parameter and `points` is not given.
        """
        del rng
        if space is not self._space or history is not self._history:
            self._space, self._history, self._ahead = space, history, []
            self._grid = self._enumerate(space)
        # An architecture stays in this list until the history has it: a fresh instance answers the same.
        self._ahead = [architecture for architecture in self._ahead if architecture not in history]
        while len(self._ahead) < n:
            architecture = next((one for one in self._grid if one not in history), None)
            if architecture is None:
                break
            self._ahead.append(architecture)
        return [Proposal(architecture) for architecture in self._ahead[:n]]

    def _enumerate(self, space: SearchSpace) -> Iterator[Architecture]:
        if self.points is not None:
            return space.discretize(self.points).enumerate()
        real = [label for label, one in space.parameters.items() if isinstance(one.domain, Real)]
        if real:
            msg = (
                f"'{real[0]}' is a real parameter, which has no finite grid. "
                "Give the number of its values: GridSearch(points=5)."
            )
            raise SpaceError(msg)
        return space.enumerate()
