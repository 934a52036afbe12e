"""NSGA-II."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from retia.space import Architecture, SearchSpace
from retia.strategy.requirements import require_number, require_whole
from retia.strategy.sampling.unseen import AnyOf, unseen_mutant, unseen_proposals
from retia.trial import History, Proposal, Trial

__all__ = ["NSGA2", "select"]


@dataclass(kw_only=True)
class NSGA2:
    """Cross and mutate a population that is selected by domination and crowding distance.

    For several objectives, with or without constraints. A generation is `population` evaluated trials, in the
    order of their numbers. The parents of the next generation are selected from the generation and its
    parents. While trials of a generation are running, children come from the present parents.

    Args:
        population: Number of trials in a generation, and of parents, at least 2. Default 20.
        crossover: Probability that a child is crossed from two parents, from 0 to 1; otherwise it starts as a
            copy of one. Default 0.9.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002, section III, and VI
        for constraints. Deviations: the default population is for hundreds of trials (the paper: 100 for
        25,000). Ties go to the earlier trial; the two parents of a child differ. Crossover takes each active
        parameter from either parent; mutation changes each of the m active parameters with probability 1/m.
        A seen child is mutated up to 10 more times, then a random architecture is proposed. Infeasible trials
        are part of their generation, failed ones are not.
    """

    population: int = 20
    crossover: float = 0.9
    _history: History | None = field(default=None, init=False, repr=False, compare=False)
    _generations: list[tuple[int, list[Trial]]] = field(
        default_factory=list[tuple[int, list[Trial]]], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        require_whole(self, population=2)
        require_number(self, "crossover", least=0, most=1)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` children of the last whole generation; random architectures in the first one."""
        parents = self._parents(history)

        def draw(proposed: Mapping[Architecture, Proposal]) -> Proposal | None:
            return self._child(space, history, parents, proposed, rng) if parents else None

        return unseen_proposals(space, history, n, rng, draw)

    def _parents(self, history: History) -> list[Trial]:
        """Return the parents after the last whole generation, best first.

        Each generation is selected once; again if a late trial has joined it or an earlier one.
        """
        if history is not self._history:
            self._history, self._generations = history, []
        generations, evaluated, size = self._generations, history.evaluated, self.population
        # Evaluated trials are only ever inserted, so the earlier ones are unchanged if the last one is.
        while generations and evaluated[len(generations) * size - 1].number != generations[-1][0]:
            generations.pop()
        parents = generations[-1][1] if generations else []
        for end in range((len(generations) + 1) * size, len(evaluated) + 1, size):
            parents = select(history, [*parents, *evaluated[end - size : end]], size)
            generations.append((evaluated[end - 1].number, parents))
        return parents

    def _child(
        self,
        space: SearchSpace,
        history: History,
        parents: Sequence[Trial],
        proposed: Mapping[Architecture, Proposal],
        rng: np.random.Generator,
    ) -> Proposal | None:
        """Return an unseen child; None if there is nothing to mutate, or all its mutants are seen."""
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
        seen = AnyOf(history, proposed)
        unseen = child if child not in seen else unseen_mutant(space, seen, child, rng)
        return None if unseen is None else Proposal(unseen, parent=parent.number)


def select(history: History, trials: Sequence[Trial], n: int) -> list[Trial]:
    """Return the `n` best trials, best first: by front under constrained domination, then by crowding."""
    return history.ranked(trials)[:n]


def _tournament(parents: Sequence[Trial], rng: np.random.Generator) -> Trial:
    """Draw two of the parents, which are sorted, and return the better one."""
    return parents[min(rng.permutation(len(parents))[:2].tolist())]
