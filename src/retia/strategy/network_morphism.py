"""Hill climbing by network morphisms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.requirements import require_whole
from retia.strategy.sampling.unseen import AnyOf, sample_unseen, unseen_proposals
from retia.trial import History, Proposal, Trial

__all__ = ["NetworkMorphism"]

TRIES = 50
"""Number of mutants that are drawn for an unseen child that is not smaller."""


@dataclass(kw_only=True)
class NetworkMorphism:
    """Evaluate children of the best trial so far, and continue from the best of them and their parent.

    With an evaluator that inherits weights, such as `Classification(inherit_weights=True)`, a child starts
    with the function of its parent (a network morphism), so that a few epochs suffice. This holds for
    children in which no number is smaller: wider, deeper, with larger kernels.

    Args:
        children: Number of children of a parent, of which the best is chosen. Default 8.
        morphs: Largest number of parameters that a child changes. Default 1.
        grow: Whether numbers may only increase. If 50 draws contain no such unseen child, others are
            proposed. Default True.

    Raises:
        SpaceError: If `children` or `morphs` is not an integer of at least 1.

    Reference:
        Elsken et al., Simple and Efficient Architecture Search for Convolutional Neural Networks, 2017
        (NASH), algorithm 1. Deviations: the parent is not trained further; the space defines the morphisms; a
        seen child is drawn again. For the weights: Chen et al., Net2Net, ICLR 2016, and
        `retia.evaluate.inherit`.
    """

    children: int = 8
    morphs: int = 1
    grow: bool = True
    _walk: "_Walk | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_whole(self, children=1, morphs=1)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` children of the present parent; nothing while its last children are running."""
        if self._walk is None or self._walk.history is not history:
            self._walk = _Walk(history, self.children)
        parent, room = self._walk.turn()

        def draw(proposed: Mapping[Architecture, Proposal]) -> Proposal | None:
            if parent is None:
                return None
            child = self._child(space, history, parent, proposed, rng)
            if child is None:
                child = sample_unseen(space, AnyOf(history, proposed), rng)
            return None if child is None else Proposal(child, parent=parent.number)

        return unseen_proposals(space, history, min(n, room), rng, draw)

    def _child(
        self,
        space: SearchSpace,
        history: History,
        parent: Trial,
        proposed: Mapping[Architecture, Proposal],
        rng: np.random.Generator,
    ) -> Architecture | None:
        """Return an unseen child, one that is not smaller if possible; None if all draws are seen."""
        if all(space.parameters[label].domain.size == 1 for label in parent.architecture):
            return None
        other: Architecture | None = None
        for _ in range(TRIES):
            child = parent.architecture
            for _ in range(int(rng.integers(1, self.morphs + 1))):
                child = space.mutate(child, rng)
            if child in history or child in proposed:
                continue
            if not self.grow or _not_smaller(child, parent.architecture):
                return child
            other = child
        return other


class _Walk:
    """The present parent. Only trials that are new since the last call are read."""

    def __init__(self, history: History, children: int) -> None:
        self.history = history
        self._children = children
        self._by_parent: dict[int, list[int]] = {}
        self._read = 0
        self._first: int | None = None
        self._parent = -1
        self._compared = 0  # number of the parent's children that were compared with it

    def turn(self) -> tuple[Trial | None, int]:
        """Return the parent, and the number of children that may be proposed now."""
        for number in self.history.numbers_from(self._read):
            if (parent := self.history[number].parent) is not None:
                self._by_parent.setdefault(parent, []).append(number)
        self._read = self.history.next_number
        if not self.history.evaluated:
            return None, max(0, 1 - self.history.count("running"))  # the first model is awaited
        first = self.history.evaluated[0].number
        if first != self._first:
            self._first, self._parent, self._compared = first, first, 0
        while len(batch := self._batch()) == self._children:
            trials = [self.history[number] for number in batch]
            if any(trial.state == "running" for trial in trials):
                return self.history[self._parent], 0
            usable = (trial for trial in trials if trial.state != "failed" and not trial.rejected)
            best = self.history.best_of([self.history[self._parent], *usable])
            self._compared = self._compared + self._children if best.number == self._parent else 0
            self._parent = best.number
        return self.history[self._parent], self._children - len(batch)

    def _batch(self) -> list[int]:
        return self._by_parent.get(self._parent, [])[self._compared : self._compared + self._children]


def _not_smaller(child: Architecture, parent: Architecture) -> bool:
    """Whether every number of the child is at least the parent's."""
    pairs = [(child[label], value) for label, value in parent.items() if label in child]
    return all(
        new >= old for new, old in pairs if isinstance(new, int | float) and isinstance(old, int | float)
    )
