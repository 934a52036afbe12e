"""The past of a study, as a strategy sees it."""

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
    """All trials of a study, in the order of their numbers, indexed for quick questions.

    A strategy reads it; the study alone adds to it. Two histories of the same trials answer alike, whatever
    the order in which the trials ended. A trial that went farther (see `Trial.reached`) ranks before one that
    did not, whatever their metrics: a score after few epochs says little beside one after all.
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
        """The number of the next trial: one above the highest. Rows may have been deleted, so it can exceed
        the number of trials.
        """
        return self._next

    def numbers_from(self, number: int) -> list[int]:
        """Return the numbers of the trials from `number` on, in their order, without those whose rows were
        deleted.
        """
        return [one for one in range(number, self._next) if one in self._trials]

    def __contains__(self, architecture: object) -> bool:
        """Whether the architecture has been proposed, at any fidelity."""
        return architecture in self._architectures

    @property
    def architectures(self) -> frozenset[Architecture] | set[Architecture]:
        """Every architecture that has been proposed. Not to be changed."""
        return self._architectures

    @property
    def evaluated(self) -> Sequence[Trial]:
        """The completed trials, and the infeasible ones that have metrics. Not to be changed.

        What was rejected as not a working model is not among them (see `Trial.rejected`): it can't be
        compared, or built from.
        """
        return self._evaluated

    @property
    def unusable(self) -> Sequence[Trial]:
        """The trials that failed, and those that were rejected: they have no metrics to learn from, but were
        proposed in vain. Not to be changed.
        """
        return self._unusable

    @property
    def front(self) -> Sequence[Trial]:
        """Of the feasible trials that went the farthest those that no other dominates, one for each point, in
        the order of their numbers.
        """
        return sorted(self._front, key=_number)

    @property
    def best(self) -> Trial | None:
        """The best by the first objective of the feasible trials that went the farthest; ties go to the next
        objectives, then to the earlier trial.
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
        """Return the objectives of a completed trial, turned so that lower is better."""
        return tuple([objective.loss(trial.metrics) for objective in self.objectives])

    def violation(self, trial: Trial) -> float:
        """Return by how much a trial misses the constraints, as a sum of shares; 0 if it meets them, infinite
        if it was rejected.
        """
        if trial.rejected:
            return inf
        return sum(
            constraint.violation(trial.metrics)
            for constraint in self.constraints
            if constraint.metric in trial.metrics
        )

    def best_of(self, trials: Sequence[Trial]) -> Trial:
        """Return the best of some evaluated trials, by the order of `ranked`, without ordering the rest."""
        if len(self.objectives) > 1:
            return self.ranked(trials)[0]
        return min(trials, key=self.order)

    def ranked(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return completed and infeasible trials, best first.

        Feasible before infeasible, these by how much they miss the constraints, and then those that were
        rejected; the feasible by how far they went, and then by their objective, or, if there are several, by
        their front and then by how lonely they are in it.

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
        """Return the key by which `ranked` sorts evaluated trials where there is one objective; its last item
        is the trial's number.
        """
        if trial.state == "completed" and (not self.constraints or self.feasible(trial)):
            return False, -trial.reached, self.objectives[0].loss(trial.metrics), trial.number
        return True, 0.0, self.violation(trial), trial.number

    def top(self, k: int) -> list[Trial]:
        """Return the `k` best feasible trials, of each architecture only the best."""
        first: dict[Architecture, Trial] = {}
        for trial in self.ranked([trial for trial in self._evaluated if self.feasible(trial)]):
            first.setdefault(trial.architecture, trial)
        return list(first.values())[:k]

    def continued(self, trial: Trial | Proposal) -> Trial | None:
        """Return the trial that another goes on from: its parent, if that has the same architecture and a
        lower fidelity.
        """
        parent = self.get(trial.parent)
        if parent is None or parent.fidelity is None or parent.architecture != trial.architecture:
            return None
        return parent if trial.fidelity is None or parent.fidelity < trial.fidelity else None

    def note(self, architecture: Architecture) -> None:
        """Count an architecture as proposed, though there is no trial of it here: for one who shows a
        strategy a part of a history.
        """
        self._architectures.add(architecture)

    def record(self, trial: Trial) -> None:
        """Take up a trial that has started or ended; one that has ended stays so. For the study; a strategy
        never calls it.
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
