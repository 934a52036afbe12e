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
        points: How many values, evenly spaced on its scale, a real interval is taken for.
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
            SpaceError: If the space has a real interval and no `points` are given.
        """
        del rng
        if space is not self._space or history is not self._history:
            if self.points is None and any(
                isinstance(parameter.domain, Real) for parameter in space.parameters.values()
            ):
                label = next(
                    label
                    for label, parameter in space.parameters.items()
                    if isinstance(parameter.domain, Real)
                )
                msg = (
                    f"'{label}' is a real interval, which a grid has to be told how to divide: "
                    "GridSearch(points=5)."
                )
                raise SpaceError(msg)
            self._space, self._history, self._ahead = space, history, []
            self._grid = (space if self.points is None else space.discretize(self.points)).enumerate()
        # What is looked ahead at stays there until the history has it, so that a fresh instance answers the
        # same.
        self._ahead = [architecture for architecture in self._ahead if architecture not in history]
        while len(self._ahead) < n:
            architecture = next((one for one in self._grid if one not in history), None)
            if architecture is None:
                break
            self._ahead.append(architecture)
        return [Proposal(architecture) for architecture in self._ahead[:n]]
