"""The trials of a study, as a strategy sees them."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from math import inf

import numpy as np

from retia.errors import StudyError
from retia.space import Architecture
from retia.trial.objective import Constraint, Objective
from retia.trial.pareto import crowded_order, dominates, nondominated_ranks
from retia.trial.proposal import Proposal
from retia.trial.trial import Trial

__all__ = ["History"]


class History:
    """All trials of a study, in the order of their numbers.

    A strategy reads it; only the study adds to it. Two histories of the same trials are equal in all answers,
    whatever the order in which the trials ended. A trial at a higher fidelity (see `Trial.reached`) ranks
    before a trial at a lower one, whatever their metrics, because scores after few epochs do not compare with
    scores after all epochs.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        trials: Iterable[Trial] = (),
    ) -> None:
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self._trials: dict[int, Trial] = {}
        self._next = 0
        self._known: dict[tuple[Architecture, float | None], int] = {}
        self._architectures: set[Architecture] = set()
        self._evaluated: list[Trial] = []
        self._counts = {"running": 0, "completed": 0, "failed": 0, "infeasible": 0}
        self._unusable: list[Trial] = []
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
        """Return the trial of that number.

        Raises:
            StudyError: If there is no such trial.
        """
        if (trial := self._trials.get(number)) is not None:
            return trial
        msg = (
            f"There is no trial {number} among the study's {len(self)} trials; a deleted row leaves a gap. "
            "Use a number from `study.trials`."
        )
        raise StudyError(msg)

    def get(self, number: int | None) -> Trial | None:
        """Return the trial of that number; None if there is no such trial, or `number` is None."""
        return None if number is None else self._trials.get(number)

    @property
    def next_number(self) -> int:
        """One more than the highest trial number, which exceeds `len(history)` if rows were deleted."""
        return self._next

    def numbers_from(self, number: int) -> list[int]:
        """Return the numbers of the trials from `number` on, in ascending order."""
        return [one for one in range(number, self._next) if one in self._trials]

    def __contains__(self, architecture: object) -> bool:
        """Whether the architecture has been proposed, at any fidelity."""
        return architecture in self._architectures

    @property
    def architectures(self) -> frozenset[Architecture] | set[Architecture]:
        """Every architecture that has been proposed. Do not modify the set."""
        return self._architectures

    @property
    def evaluated(self) -> Sequence[Trial]:
        """The completed trials and the infeasible trials with metrics. Do not modify the sequence.

        Rejected trials (see `Trial.rejected`) are in `unusable`.
        """
        return self._evaluated

    @property
    def unusable(self) -> Sequence[Trial]:
        """The failed and the rejected trials, which have no metrics. Do not modify the sequence."""
        return self._unusable

    @property
    def front(self) -> Sequence[Trial]:
        """The Pareto front of the feasible trials at the highest fidelity, by number, one trial a point."""
        return sorted(self._front, key=_number)

    @property
    def best(self) -> Trial | None:
        """The best feasible trial at the highest fidelity by the first objective, or None.

        The next objectives break ties, then the lower number.
        """
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
        return trial.state == "completed" and (
            not self.constraints or all(constraint.holds(trial.metrics) for constraint in self.constraints)
        )

    def losses(self, trial: Trial) -> tuple[float, ...]:
        """Return the objectives of a completed trial as losses: lower is better."""
        return tuple([objective.loss(trial.metrics) for objective in self.objectives])

    def violation(self, trial: Trial) -> float:
        """Return the sum of a trial's constraint violations, relative to the bounds.

        The sum is 0 if the trial meets the constraints, and infinite if it was rejected.
        """
        if trial.rejected:
            return inf
        return sum(
            constraint.violation(trial.metrics)
            for constraint in self.constraints
            if constraint.metric in trial.metrics
        )

    def best_of(self, trials: Sequence[Trial]) -> Trial:
        """Return the first of `ranked(trials)`, without sorting the other trials."""
        if len(self.objectives) > 1:
            return self.ranked(trials)[0]
        return min(trials, key=self.order)

    def ranked(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return completed and infeasible trials, best first.

        Feasible trials come before infeasible ones. Infeasible trials are sorted by `violation`. Feasible
        trials are sorted by `Trial.reached`, then by the objective; with several objectives, by Pareto rank
        and then by crowding distance.

        Reference:
            Deb et al. 2002, section III-C (crowded comparison) and VI (constrained domination). Deviation:
            ties go to the earlier trial.
        """
        if len(self.objectives) == 1:
            return sorted(trials, key=self.order)
        good = [trial for trial in trials if self.feasible(trial)]
        bad = sorted(
            (trial for trial in trials if not self.feasible(trial)),
            key=lambda trial: (self.violation(trial), trial.number),
        )
        if not good:
            return bad
        by_reach: dict[float, list[Trial]] = {}
        for trial in sorted(good, key=_number):
            by_reach.setdefault(trial.reached, []).append(trial)
        ordered: list[Trial] = []
        for reached in sorted(by_reach, reverse=True):
            alike = by_reach[reached]
            losses = np.array([self.losses(trial) for trial in alike])
            ordered += [alike[i] for i in crowded_order(losses, nondominated_ranks(losses))]
        return ordered + bad

    def order(self, trial: Trial) -> tuple[bool, float, float, int]:
        """Return the key by which `ranked` sorts trials with one objective; its last item is the number."""
        if trial.state == "completed" and (not self.constraints or self.feasible(trial)):
            return False, -trial.reached, self.objectives[0].loss(trial.metrics), trial.number
        return True, 0.0, self.violation(trial), trial.number

    def top(self, k: int) -> list[Trial]:
        """Return the `k` best feasible trials, at most one of each architecture."""
        first: dict[Architecture, Trial] = {}
        for trial in self.ranked([trial for trial in self._evaluated if self.feasible(trial)]):
            first.setdefault(trial.architecture, trial)
        return list(first.values())[:k]

    def continued(self, trial: Trial | Proposal) -> Trial | None:
        """Return the parent of a trial if the trial continues its training, else None.

        Such a parent has the same architecture and a lower fidelity.
        """
        parent = self.get(trial.parent)
        if parent is None or parent.fidelity is None or parent.architecture != trial.architecture:
            return None
        return parent if trial.fidelity is None or parent.fidelity < trial.fidelity else None

    def note(self, architecture: Architecture) -> None:
        """Count an architecture as proposed, though this history has no trial of it.

        Wrappers need this when they give a strategy a part of the history.
        """
        self._architectures.add(architecture)

    def record(self, trial: Trial) -> None:
        """Add or update a trial. A trial that has ended is not changed any more.

        The study calls this; a strategy never does.
        """
        before = self._trials.get(trial.number)
        if before is None:
            self._next = max(self._next, trial.number + 1)
            place = (trial.architecture, trial.fidelity)
            self._known[place] = min(trial.number, self._known.get(place, trial.number))
            self._architectures.add(trial.architecture)
        elif before.finished:
            return
        else:
            self._counts[before.state] -= 1
        self._counts[trial.state] += 1
        self._trials[trial.number] = trial
        if trial.state == "running":
            return
        known = self._unusable if trial.state == "failed" or trial.rejected else self._evaluated
        if known and known[-1].number > trial.number:
            insort(known, trial, key=_number)
        else:
            known.append(trial)
        if self.feasible(trial):
            self._admit(trial)

    def _admit(self, trial: Trial) -> None:
        losses, best = self.losses(trial), self._best
        if best is None or (-trial.reached, losses, trial.number) < (
            -best.reached,
            self.losses(best),
            best.number,
        ):
            self._best = trial
        if self._front and trial.reached != (reached := self._front[0].reached):
            if trial.reached > reached:
                self._front = [trial]
            return
        kept: list[Trial] = []
        for other in self._front:
            theirs = self.losses(other)
            if dominates(theirs, losses) or (theirs == losses and other.number < trial.number):
                return
            if not dominates(losses, theirs) and theirs != losses:
                kept.append(other)
        self._front = [*kept, trial]


def _number(trial: Trial) -> int:
    return trial.number
