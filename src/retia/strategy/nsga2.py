"""NSGA-II."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.settings import check_number, check_whole
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal, Trial

__all__ = ["NSGA2", "select"]

TRIES = 10


@dataclass(kw_only=True)
class NSGA2:
    """Cross and mutate a population that keeps the least dominated and the loneliest: for several objectives,
    with or without constraints.

    Every `population` evaluated trials, in the order of their numbers, are a generation; the parents of the
    next are selected from these and the parents before. So the population follows from the history, and
    nobody waits: while trials of a generation are running, the next children have the parents that there are.

    Args:
        population: How many trials are a generation, and how many parents are kept.
        crossover: The probability that a child is crossed from two parents; otherwise it starts as a copy of
            one.

    Raises:
        SpaceError: If a number is out of its range.

    Reference:
        Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002, section III;
        constraints by section VI.
        Deviations: the population is for studies of hundreds of trials (the paper takes 100, for 25,000).
        Ties go to the earlier trial; the two parents of a child differ. Architectures are no vectors:
        crossover takes each active parameter from either parent, and what mutates, with probability one by
        the number of active parameters for each, takes another value. A child that has been proposed before
        is mutated again, and after 10 attempts a random new architecture takes its place. Infeasible trials
        are part of their generation, failed ones are not.
    """

    population: int = 20
    crossover: float = 0.9
    _history: History | None = field(default=None, init=False, repr=False, compare=False)
    _generations: list[tuple[int, list[Trial]]] = field(
        default_factory=list[tuple[int, list[Trial]]], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_whole(self, population=2)
        check_number(self, "crossover", least=0, most=1)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` children of the last whole generation's survivors; random architectures until there is
        one.
        """
        parents = self._parents(history)
        proposals: dict[Architecture, Proposal] = {}
        for _ in range(n):
            child = self._child(space, history, parents, proposals, rng) if parents else None
            if child is None:
                architecture = sample_unseen(space, AnyOf(history, proposals), rng)
                if architecture is None:
                    break
                child = Proposal(architecture)
            proposals[child.architecture] = child
        return list(proposals.values())

    def _parents(self, history: History) -> list[Trial]:
        """Return the survivors of the last whole generation, best first. Each generation is selected once;
        those after a late trial again.
        """
        if history is not self._history:
            self._history, self._generations = history, []
        evaluated, size = history.evaluated, self.population
        # Trials only join those that have been evaluated, so the first of them are the same while the last of
        # these is.
        while (
            self._generations
            and evaluated[len(self._generations) * size - 1].number != self._generations[-1][0]
        ):
            self._generations.pop()
        parents = self._generations[-1][1] if self._generations else []
        for end in range((len(self._generations) + 1) * size, len(evaluated) + 1, size):
            parents = select(history, [*parents, *evaluated[end - size : end]], size)
            self._generations.append((evaluated[end - 1].number, parents))
        return parents

    def _child(
        self,
        space: SearchSpace,
        history: History,
        parents: Sequence[Trial],
        taken: dict[Architecture, Proposal],
        rng: np.random.Generator,
    ) -> Proposal | None:
        """Return a child that is new, unless it can't be had in some attempts."""
        parent = _tournament(parents, rng)
        child = parent.architecture
        if rng.random() < self.crossover:
            others = [other for other in parents if other is not parent]
            child = space.crossover(child, _tournament(others, rng).architecture, rng)
        mutations = int(rng.binomial(len(child), 1 / len(child)))
        if all(space.parameters[label].domain.size == 1 for label in child):
            return None
        for _ in range(mutations):
            child = space.mutate(child, rng)
        for _ in range(TRIES):
            if child not in history and child not in taken:
                return Proposal(child, parent=parent.number)
            child = space.mutate(child, rng)
        return None


def select(history: History, trials: Sequence[Trial], n: int) -> list[Trial]:
    """Return the `n` best of evaluated trials, best first: by front under constrained domination, then by
    crowding.
    """
    return history.ranked(trials)[:n]


def _tournament(parents: Sequence[Trial], rng: np.random.Generator) -> Trial:
    """Draw two of the parents, which are sorted, and return the better."""
    return parents[min(rng.permutation(len(parents))[:2].tolist())]
