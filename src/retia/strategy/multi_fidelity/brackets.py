"""The brackets of successive halving."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from retia.space import Architecture
from retia.strategy.views.cursor import Cursor
from retia.trial import History, Proposal, Trial

__all__ = ["Bracket", "Brackets", "Due", "halving"]


@dataclass(frozen=True)
class Bracket:
    """The number of architectures at each fidelity. The best of a rung enter the next rung.

    Args:
        sizes: Number of architectures in each rung.
        fidelities: Fidelity of each rung's trials.
    """

    sizes: tuple[int, ...]
    fidelities: tuple[float | None, ...]

    def of(self, entries: int) -> "Bracket":
        """Return the bracket scaled down to `entries` architectures in the first rung."""
        sizes = tuple(max(1, size * entries // self.sizes[0]) for size in self.sizes)
        return Bracket(sizes, self.fidelities)


@dataclass(frozen=True)
class Due:
    """The proposals that a bracket needs next.

    Args:
        entries: Number of new architectures that may enter.
        fidelity: Fidelity at which they enter.
        promotions: Promotions that are due. If `entries` is above 0 they are due only if there are no more
            new architectures.
    """

    entries: int
    fidelity: float | None
    promotions: tuple[Proposal, ...] = ()


def halving(entries: int, fidelities: Sequence[float | None], eta: float) -> Bracket:
    """Return the bracket in which the best 1/eta of each rung, at least one, enters the next.

    >>> halving(34, (3, 9, 27, None), 3)
    Bracket(sizes=(34, 11, 3, 1), fidelities=(3, 9, 27, None))

    Reference:
        Li et al., Hyperband, JMLR 2018, algorithm 1: n_i = ⌊n η^-i⌋.
    """
    sizes = tuple(max(1, math.floor(entries / eta**rung + 1e-9)) for rung in range(len(fidelities)))
    return Bracket(sizes, tuple(fidelities))


class Brackets:
    """Brackets in sequence: each begins when the one before has ended.

    A bracket consists of the first trials of architectures at the fidelity of its first rung, after the last
    entry of the bracket before. Trials that are infeasible before they are evaluated are skipped.

    Args:
        plan: The brackets, repeated in this order.
        history: The trials of the study.

    Attributes:
        evaluated: Number of evaluated trials at each fidelity, as of the last call of `due`.
    """

    def __init__(self, plan: Sequence[Bracket], history: History) -> None:
        self.history = history
        self.evaluated = Counter[float | None]()
        self._plan = plan
        self._cursor = Cursor(history)
        self._entered: dict[float | None, list[int]] = {bracket.fidelities[0]: [] for bracket in plan}
        self._seen: set[Architecture] = set()
        self._ended = 0
        self._after = -1

    def due(self) -> Due:
        """Return what the present bracket needs next; nothing while it waits for running trials."""
        self._follow()
        while True:
            bracket = self._plan[self._ended % len(self._plan)]
            fidelity = bracket.fidelities[0]
            members = self._members(bracket)
            trials = [self.history[number] for number in members]
            if missing := bracket.sizes[0] - len(trials):
                return Due(missing, fidelity, self._promotions(bracket.of(len(trials)), trials) or ())
            promotions = self._promotions(bracket, trials)
            if promotions is not None:
                return Due(0, fidelity, promotions)
            self._ended += 1
            self._after = members[-1]

    def spent(self) -> set[int]:
        """Return the numbers of completed trials at lower fidelities that no trial will continue."""
        self.due()
        bracket = self._plan[self._ended % len(self._plan)]
        entered = self._members(bracket)
        rung, whole = [self.history[number] for number in entered], len(entered) == bracket.sizes[0]
        awaited: set[int] = set()
        for size, fidelity in zip(bracket.sizes[1:], bracket.fidelities[1:], strict=True):
            whole = whole and all(trial.finished for trial in rung)
            if whole:
                rung = self._best(rung, size)
            higher = [self.history.find(trial.architecture, fidelity) for trial in rung]
            awaited |= {
                trial.number
                for trial, known in zip(rung, higher, strict=True)
                if known is None or not known.finished
            }
            whole = whole and None not in higher  # the next rung ends once all that are due have entered it
            rung = [trial for trial in higher if trial is not None]
        lower = {one for bracket in self._plan for one in bracket.fidelities if one is not None}
        return {
            trial.number
            for trial in self.history.evaluated
            if trial.state == "completed" and trial.fidelity in lower
        } - awaited

    def _members(self, bracket: Bracket) -> list[int]:
        """Return the numbers of the trials that have entered the present bracket."""
        entered = self._entered[bracket.fidelities[0]]
        first = bisect_right(entered, self._after)
        return entered[first : first + bracket.sizes[0]]

    def _follow(self) -> None:
        begun, ended = self._cursor.read()
        for trial in begun:
            if trial.architecture not in self._seen:
                self._seen.add(trial.architecture)
                if trial.state != "infeasible" and trial.fidelity in self._entered:
                    self._entered[trial.fidelity].append(trial.number)
        for trial in ended:
            if trial.state != "failed" and not trial.rejected:
                self.evaluated[trial.fidelity] += 1
            if trial.state == "infeasible":  # it may have entered while it was running
                entered = self._entered.get(trial.fidelity, [])
                place = bisect_left(entered, trial.number)
                if place < len(entered) and entered[place] == trial.number:
                    del entered[place]

    def _best(self, rung: Sequence[Trial], size: int) -> list[Trial]:
        return self.history.ranked([trial for trial in rung if trial.state == "completed"])[:size]

    def _promotions(self, bracket: Bracket, rung: list[Trial]) -> tuple[Proposal, ...] | None:
        """Return the promotions that are due; () while a rung is running, None if the bracket has ended."""
        for size, fidelity in zip(bracket.sizes[1:], bracket.fidelities[1:], strict=True):
            if not all(trial.finished for trial in rung):
                return ()
            best = self._best(rung, size)
            higher = [self.history.find(trial.architecture, fidelity) for trial in best]
            if due := tuple(
                Proposal(trial.architecture, fidelity, trial.number)
                for trial, known in zip(best, higher, strict=True)
                if known is None
            ):
                return due
            rung = [trial for trial in higher if trial is not None]
        return None if all(trial.finished for trial in rung) else ()
