"""The past of a study, as a strategy sees it."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from retia.space import Architecture
from retia.trial.objective import Constraint, Objective
from retia.trial.pareto import crowding_distance, dominates, nondominated_ranks
from retia.trial.trial import Trial

__all__ = ["History"]


class History:
    """All trials of a study, in the order of their numbers, indexed for quick questions.

    A strategy reads it; the study alone adds to it. Two histories of the same trials answer alike, whatever the order in
    which the trials ended.
    """

    def __init__(self, objectives: Sequence[Objective], constraints: Sequence[Constraint] = (), trials: Iterable[Trial] = ()) -> None:
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self._trials: dict[int, Trial] = {}
        self._known: dict[tuple[Architecture, float | None], int] = {}
        self._architectures: set[Architecture] = set()
        self._evaluated: list[Trial] = []
        self._counts = {"running": 0, "completed": 0, "failed": 0, "infeasible": 0}
        self._front: list[Trial] = []
        self._best: Trial | None = None
        for trial in trials:
            self.record(trial)

    def __len__(self) -> int:
        """The number of trials, whatever their state."""
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        """The trials, in the order of their numbers."""
        return (self._trials[number] for number in sorted(self._trials))

    def __getitem__(self, number: int) -> Trial:
        return self._trials[number]

    def __contains__(self, architecture: object) -> bool:
        """Whether the architecture has been proposed, at any fidelity."""
        return architecture in self._architectures

    @property
    def architectures(self) -> frozenset[Architecture] | set[Architecture]:
        """Every architecture that has been proposed. Not to be changed."""
        return self._architectures

    @property
    def evaluated(self) -> Sequence[Trial]:
        """The completed and the infeasible trials: those with metrics. Not to be changed."""
        return self._evaluated

    @property
    def front(self) -> Sequence[Trial]:
        """The feasible trials that no other dominates, one for each point, in the order of their numbers."""
        return sorted(self._front, key=_number)

    @property
    def best(self) -> Trial | None:
        """The best feasible trial by the first objective; ties go to the next objectives, then to the earlier trial."""
        return self._best

    def count(self, state: str) -> int:
        """Return the number of trials in a state."""
        return self._counts[state]

    def find(self, architecture: Architecture, fidelity: float | None = None) -> Trial | None:
        """Return the trial of the architecture at that fidelity."""
        number = self._known.get((architecture, fidelity))
        return None if number is None else self._trials[number]

    def feasible(self, trial: Trial) -> bool:
        """Whether the trial completed and meets every constraint."""
        return trial.state == "completed" and (not self.constraints or all(constraint.holds(trial.metrics) for constraint in self.constraints))

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """Return the objectives of a completed trial, turned so that lower is better."""
        return tuple([objective.loss(trial.metrics) for objective in self.objectives])

    def violation(self, trial: Trial) -> float:
        """Return by how much an evaluated trial misses the constraints, as a sum of shares; 0 if it meets them."""
        return sum(constraint.violation(trial.metrics) for constraint in self.constraints if constraint.metric in trial.metrics)

    def best_of(self, trials: Sequence[Trial]) -> Trial:
        """Return the best of some evaluated trials, by the order of `ranked`, without ordering the rest."""
        if len(self.objectives) > 1:
            return self.ranked(trials)[0]
        return min(trials, key=self._order)

    def ranked(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return evaluated trials, best first.

        Feasible before infeasible, these by how much they miss the constraints; the feasible by their objective, or, if
        there are several, by their front and then by how lonely they are in it.

        Reference:
            Deb et al. 2002, section III-C (crowded comparison) and VI (constrained domination). Deviation: ties go to
            the earlier trial.
        """
        if len(self.objectives) == 1:
            return sorted(trials, key=self._order)
        good = [trial for trial in trials if self.feasible(trial)]
        bad = sorted((trial for trial in trials if not self.feasible(trial)), key=lambda trial: (self.violation(trial), trial.number))
        if not good:
            return bad
        losses = np.array([self.losses(trial) for trial in good])
        ranks = nondominated_ranks(losses)
        crowding = np.zeros(len(good))
        for rank in range(int(ranks.max()) + 1):
            crowding[ranks == rank] = crowding_distance(losses[ranks == rank])
        order = sorted(range(len(good)), key=lambda i: (ranks[i], -crowding[i], good[i].number))
        return [good[i] for i in order] + bad

    def record(self, trial: Trial) -> None:
        """Take up a trial that has started or ended; one that has ended stays so. For the study; a strategy never calls it."""
        before = self._trials.get(trial.number)
        if before is None:
            place = (trial.architecture, trial.fidelity)
            self._known[place] = min(trial.number, self._known.get(place, trial.number))
            self._architectures.add(trial.architecture)
        elif before.finished:
            return
        else:
            self._counts[before.state] -= 1
        self._counts[trial.state] += 1
        self._trials[trial.number] = trial
        if trial.state not in ("completed", "infeasible"):
            return
        if self._evaluated and self._evaluated[-1].number > trial.number:
            insort(self._evaluated, trial, key=_number)
        else:
            self._evaluated.append(trial)
        if self.feasible(trial):
            self._admit(trial)

    def _admit(self, trial: Trial) -> None:
        losses = self.losses(trial)
        if self._best is None or (losses, trial.number) < (self.losses(self._best), self._best.number):
            self._best = trial
        kept: list[Trial] = []
        for other in self._front:
            theirs = self.losses(other)
            if dominates(theirs, losses) or (theirs == losses and other.number < trial.number):
                return
            if not dominates(losses, theirs) and theirs != losses:
                kept.append(other)
        self._front = [*kept, trial]

    def _order(self, trial: Trial) -> tuple[bool, float, int]:
        if trial.state == "completed" and (not self.constraints or self.feasible(trial)):
            return False, self.objectives[0].loss(trial.metrics), trial.number
        return True, self.violation(trial), trial.number


def _number(trial: Trial) -> int:
    return trial.number
