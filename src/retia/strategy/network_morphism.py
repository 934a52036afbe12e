"""Hill climbing by network morphisms."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.settings import check_whole
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal, Trial

__all__ = ["NetworkMorphism"]

TRIES = 50
"""How many mutants are drawn for a child that is new and no smaller."""


@dataclass(kw_only=True)
class NetworkMorphism:
    """Climb: try children of the best so far, and go on from the best of them and it.

    With an evaluator that lets models inherit weights, such as `Classification(inherit_weights=True)`, a
    child starts as what its parent computes (a network morphism), and few epochs are enough for it. That
    holds for children that are nowhere smaller: wider, deeper, with larger kernels.

    Args:
        children: How many of one parent are tried before the best is chosen.
        morphs: How many parameters of a child may differ, at most.
        grow: Whether numbers only become larger. Where fifty draws bring no larger child that is new, others
            are tried.

    Raises:
        SpaceError: If a number is none, or below 1.

    References:
        Elsken et al., Simple and Efficient Architecture Search for Convolutional Neural Networks, 2017
        (NASH): algorithm 1. Deviations: the parent is not trained further beside its children; what a
        morphism is follows from the space; a child that has been tried is drawn again. Chen et al., Net2Net,
        ICLR 2016, and `retia.evaluate.inherit`, for the weights.
    """

    children: int = 8
    morphs: int = 1
    grow: bool = True
    _walk: "_Walk | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, children=1, morphs=1)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return up to `n` children of the parent whose turn it is; nothing while its last ones run."""
        if self._walk is None or self._walk.history is not history:
            self._walk = _Walk(history, self.children)
        parent, room = self._walk.turn()
        proposals: list[Proposal] = []
        taken: set[Architecture] = set()
        for _ in range(min(n, room)):
            child = None if parent is None else self._child(space, history, parent, taken, rng)
            if (
                child is None
                and (architecture := sample_unseen(space, AnyOf(history, taken), rng)) is not None
            ):
                child = Proposal(architecture, parent=None if parent is None else parent.number)
            if child is None:
                break
            taken.add(child.architecture)
            proposals.append(child)
        return proposals

    def _child(
        self,
        space: SearchSpace,
        history: History,
        parent: Trial,
        taken: set[Architecture],
        rng: np.random.Generator,
    ) -> Proposal | None:
        """Return a child that is new, no smaller if there is one; None if none is found."""
        if all(space.parameters[label].domain.size == 1 for label in parent.architecture):
            return None
        other: Architecture | None = None
        for _ in range(TRIES):
            child = parent.architecture
            for _ in range(int(rng.integers(1, self.morphs + 1))):
                child = space.mutate(child, rng)
            if child in history or child in taken:
                continue
            if not self.grow or _no_smaller(child, parent.architecture):
                return Proposal(child, parent=parent.number)
            other = child
        return None if other is None else Proposal(other, parent=parent.number)


class _Walk:
    """Whose children are tried; all of it follows from the history, of which only what is new since the last
    call is read.
    """

    def __init__(self, history: History, children: int) -> None:
        self.history = history
        self._children = children
        self._by_parent: dict[int, list[int]] = {}
        self._read = 0
        self._first: int | None = None
        self._parent = -1
        self._tried = 0  # of this parent's children, those that were compared with it

    def turn(self) -> tuple[Trial | None, int]:
        """Return whose turn it is, and how many children it is to get now."""
        for number in self.history.numbers_from(self._read):
            if (parent := self.history[number].parent) is not None:
                self._by_parent.setdefault(parent, []).append(number)
        self._read = self.history.next_number
        first = self.history.evaluated[0].number if self.history.evaluated else None
        if first is None:
            return None, max(0, 1 - self.history.count("running"))  # the first model is waited for
        first = self.history.evaluated[0].number
        if first != self._first:
            self._first, self._parent, self._tried = first, first, 0
        while (
            len(batch := self._by_parent.get(self._parent, [])[self._tried : self._tried + self._children])
            == self._children
        ):
            trials = [self.history[number] for number in batch]
            if any(trial.state == "running" for trial in trials):
                return self.history[self._parent], 0
            usable = (trial for trial in trials if trial.state != "failed" and not trial.rejected)
            best = self.history.best_of([self.history[self._parent], *usable])
            self._tried = self._tried + self._children if best.number == self._parent else 0
            self._parent = best.number
        return self.history[self._parent], self._children - len(batch)


def _no_smaller(child: Architecture, parent: Architecture) -> bool:
    """Whether no number of a child is below the parent's."""
    pairs = [(child[label], value) for label, value in parent.items() if label in child]
    return all(
        new >= old for new, old in pairs if isinstance(new, int | float) and isinstance(old, int | float)
    )
