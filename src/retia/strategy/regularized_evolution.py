"""Regularized (aging) evolution."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace
from retia.strategy.settings import check_number, check_whole
from retia.strategy.unseen import AnyOf, sample_unseen
from retia.trial import History, Proposal, Trial

__all__ = ["RegularizedEvolution", "survivors", "tournament_winner"]

TRIES = 10


@dataclass(frozen=True)
class RegularizedEvolution:
    """Mutate the winner of a tournament among the youngest trials; the old die, however good.

    The winner of a tournament is its first by `History.ranked`: feasible before infeasible, these by how much
    they miss the constraints; the feasible by their objective, or, with several, by their front in the
    population and how lonely they are in it.

    Args:
        population: How many of the youngest evaluated trials are alive; so many random ones come first.
        tournament: How many of them, drawn at random, compete to be the parent.
        crossover: The probability that the child is crossed from the winners of two tournaments before it is
            mutated.

    Raises:
        SpaceError: If a number is out of its range.

    Reference:
        Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019, algorithm 1;
        several objectives as in Syne Tune's MultiObjectiveRegularizedEvolution, with crowding. Deviations:
        the defaults are for studies of tens to hundreds of trials (the paper takes 100 and 25, for 20,000); a
        child that has been proposed before is mutated again, and after 10 attempts a random new architecture
        takes its place; a trial that ends late takes the place of its number.
    """

    population: int = 20
    tournament: int = 5
    crossover: float = 0.0

    def __post_init__(self) -> None:
        check_whole(self, population=1, tournament=1)
        check_number(self, "crossover", least=0, most=1)
        if self.tournament > self.population:
            msg = (
                f"Evolution needs 1 <= tournament <= population, got tournament={self.tournament}, "
                f"population={self.population}."
            )
            raise SpaceError(msg)

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` children of tournament winners; random architectures until the population is full."""
        proposals: list[Proposal] = []
        taken: set[Architecture] = set()
        for _ in range(n):
            alive = survivors(history, self.population)
            full = len(history.evaluated) + history.count("running") + len(proposals) >= self.population
            child = self._child(space, history, alive, taken, rng) if full and alive else None
            if child is None:
                architecture = sample_unseen(space, AnyOf(history, taken), rng)
                if architecture is None:
                    break
                child = Proposal(architecture)
            taken.add(child.architecture)
            proposals.append(child)
        return proposals

    def _child(
        self,
        space: SearchSpace,
        history: History,
        alive: Sequence[Trial],
        taken: set[Architecture],
        rng: np.random.Generator,
    ) -> Proposal | None:
        """Return a child that is new, unless it can't be had in some attempts."""
        parent = tournament_winner(history, alive, self.tournament, rng)
        architecture = parent.architecture
        if self.crossover and rng.random() < self.crossover:
            other = tournament_winner(history, alive, self.tournament, rng)
            architecture = space.crossover(architecture, other.architecture, rng)
        if all(space.parameters[label].domain.size == 1 for label in architecture):
            return None
        for _ in range(TRIES):
            child = space.mutate(architecture, rng)
            if child not in history and child not in taken:
                return Proposal(child, parent=parent.number)
        return None


def survivors(history: History, population: int) -> Sequence[Trial]:
    """Return the youngest evaluated trials, which are alive."""
    return history.evaluated[-population:]


def tournament_winner(history: History, alive: Sequence[Trial], size: int, rng: np.random.Generator) -> Trial:
    """Draw `size` of the trials without replacement and return the best; with several objectives as all of
    them are ranked.
    """
    if size >= len(alive):
        return history.best_of(alive)
    drawn = [alive[i] for i in rng.permutation(len(alive))[:size].tolist()]
    if len(history.objectives) == 1:
        return history.best_of(drawn)
    numbers = {trial.number for trial in drawn}
    return next(trial for trial in history.ranked(alive) if trial.number in numbers)
