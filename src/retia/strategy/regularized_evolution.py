"""Regularized (aging) evolution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retia.errors import SpaceError
from retia.space import Architecture, SearchSpace
from retia.strategy.requirements import require_number, require_whole
from retia.strategy.sampling.unseen import unseen_proposals
from retia.trial import History, Proposal, Trial

__all__ = ["RegularizedEvolution", "survivors", "tournament_winner"]

TRIES = 10


@dataclass(frozen=True)
class RegularizedEvolution:
    """Mutate the winner of a tournament among the youngest trials. Old trials die, however good.

    The winner is the first by `History.ranked`: feasible before infeasible trials, these by constraint
    violation; feasible ones by the objective, or, with several objectives, by Pareto front and crowding
    distance in the population.

    Args:
        population: Number of youngest evaluated trials that are alive; the first ones are random. Default 20.
        tournament: Number of living trials that compete to be the parent, from 1 to `population`. Default 5.
        crossover: Probability that two winners are crossed before the mutation, from 0 to 1. Default 0.

    Raises:
        SpaceError: If an argument is out of its range.

    Reference:
        Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019, algorithm 1;
        several objectives as in Syne Tune's MultiObjectiveRegularizedEvolution, with crowding distance.
        Deviations: the defaults are for tens to hundreds of trials (the paper: 100 and 25 for 20,000 trials);
        the mutation is repeated up to 10 times until the child is unseen, then a random architecture is
        proposed; the age of a trial is given by its number, however late it ends.
    """

    population: int = 20
    tournament: int = 5
    crossover: float = 0.0

    def __post_init__(self) -> None:
        require_whole(self, population=1, tournament=1)
        require_number(self, "crossover", least=0, most=1)
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
        alive = survivors(history, self.population)
        missing = self.population - len(history.evaluated) - history.count("running")

        def draw(proposed: Mapping[Architecture, Proposal]) -> Proposal | None:
            full = alive and len(proposed) >= missing
            return self._child(space, history, alive, proposed, rng) if full else None

        return unseen_proposals(space, history, n, rng, draw)

    def _child(
        self,
        space: SearchSpace,
        history: History,
        alive: Sequence[Trial],
        proposed: Mapping[Architecture, Proposal],
        rng: np.random.Generator,
    ) -> Proposal | None:
        """Return an unseen child; None after 10 seen ones, or if the parent has nothing to mutate."""
        parent = tournament_winner(history, alive, self.tournament, rng)
        architecture = parent.architecture
        if self.crossover and rng.random() < self.crossover:
            other = tournament_winner(history, alive, self.tournament, rng)
            architecture = space.crossover(architecture, other.architecture, rng)
        if all(space.parameters[label].domain.size == 1 for label in architecture):
            return None
        for _ in range(TRIES):
            child = space.mutate(architecture, rng)
            if child not in history and child not in proposed:
                return Proposal(child, parent=parent.number)
        return None


def survivors(history: History, population: int) -> Sequence[Trial]:
    """Return the youngest evaluated trials, which are alive."""
    return history.evaluated[-population:]


def tournament_winner(history: History, alive: Sequence[Trial], size: int, rng: np.random.Generator) -> Trial:
    """Draw `size` trials without replacement, and return the first of them in the ranking of all."""
    if size >= len(alive):
        return history.best_of(alive)
    drawn = [alive[i] for i in rng.permutation(len(alive))[:size].tolist()]
    if len(history.objectives) == 1:
        return history.best_of(drawn)
    numbers = {trial.number for trial in drawn}
    return next(trial for trial in history.ranked(alive) if trial.number in numbers)
