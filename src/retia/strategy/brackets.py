"""Brackets of successive halving, read from the history."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from retia.space import Architecture
from retia.trial import History, Proposal, Trial

__all__ = ["Bracket", "Brackets", "Due", "halving"]


@dataclass(frozen=True)
class Bracket:
    """How many architectures are tried at which fidelity; the best go on to the next.

    Args:
        sizes: How many, by rung.
        labels: The fidelities, as trials have them.
    """

    sizes: tuple[int, ...]
    labels: tuple[float | None, ...]

    def of(self, entries: int) -> "Bracket":
        """Return what is left of the bracket where so few architectures have entered: rungs in the same
        proportions.
        """
        return Bracket(tuple(max(1, size * entries // self.sizes[0]) for size in self.sizes), self.labels)


@dataclass(frozen=True)
class Due:
    """What a bracket waits for.

    Args:
        entries: How many new architectures it takes.
        fidelity: At which fidelity they enter.
        promotions: What is due for promotion; of a bracket that takes new architectures, if there are no
            more.
    """

    entries: int
    fidelity: float | None
    promotions: tuple[Proposal, ...] = ()


def halving(entries: int, labels: Sequence[float | None], eta: float) -> Bracket:
    """Return the bracket in which one in `eta` goes on, at least one.

    >>> halving(34, (3, 9, 27, None), 3)
    Bracket(sizes=(34, 11, 3, 1), labels=(3, 9, 27, None))

    Reference:
        Li et al., Hyperband, JMLR 2018, algorithm 1: n_i = ⌊n η^-i⌋.
    """
    return Bracket(
        tuple(max(1, math.floor(entries / eta**rung + 1e-9)) for rung in range(len(labels))), tuple(labels)
    )


class Brackets:
    """Brackets one after the other: the next begins when the one before has ended.

    Which trial belongs to which bracket follows from their order: the first trials of architectures, at the
    fidelity at which a bracket begins and after the last that entered the bracket before, enter it. What was
    rejected before it was evaluated takes no place. Only what is new since the last call is read.

    Args:
        plan: The brackets; after the last the first comes again.
        history: The study's trials.

    Attributes:
        evaluated: Number of evaluated trials at each fidelity, as of the last call of `due`.
    """

    def __init__(self, plan: Sequence[Bracket], history: History) -> None:
        self.history = history
        self.evaluated = Counter[float | None]()
        self._plan = plan
        self._entered: dict[float | None, list[int]] = {bracket.labels[0]: [] for bracket in plan}
        self._met: set[Architecture] = set()
        self._read = 0
        self._running: list[int] = []
        self._ended = 0
        self._after = -1

    def due(self) -> Due:
        """Return what the present bracket waits for; nothing where that is running trials."""
        self._follow()
        while True:
            bracket = self._plan[self._ended % len(self._plan)]
            label = bracket.labels[0]
            members = self._members(bracket)
            trials = [self.history[number] for number in members]
            if missing := bracket.sizes[0] - len(trials):
                return Due(missing, label, self._promotions(bracket.of(len(trials)), trials) or ())
            promotions = self._promotions(bracket, trials)
            if promotions is not None:
                return Due(0, label, promotions)
            self._ended += 1
            self._after = members[-1]

    def spent(self) -> set[int]:
        """Return the completed trials at a lower fidelity that no bracket goes on from any more."""
        self.due()
        bracket = self._plan[self._ended % len(self._plan)]
        entered = self._members(bracket)
        rung, whole = [self.history[number] for number in entered], len(entered) == bracket.sizes[0]
        awaited: set[int] = set()
        for size, label in zip(bracket.sizes[1:], bracket.labels[1:], strict=True):
            whole = whole and all(trial.finished for trial in rung)
            if whole:
                rung = self.history.ranked([trial for trial in rung if trial.state == "completed"])[:size]
            higher = [self.history.find(trial.architecture, label) for trial in rung]
            awaited |= {
                trial.number
                for trial, known in zip(rung, higher, strict=True)
                if known is None or not known.finished
            }
            whole = whole and None not in higher  # the next rung ends once all that are due have entered it
            rung = [trial for trial in higher if trial is not None]
        lower = {label for bracket in self._plan for label in bracket.labels if label is not None}
        return {
            trial.number
            for trial in self.history.evaluated
            if trial.state == "completed" and trial.fidelity in lower
        } - awaited

    def _members(self, bracket: Bracket) -> list[int]:
        """Return the trials that have entered the present bracket."""
        entered = self._entered[bracket.labels[0]]
        first = bisect_right(entered, self._after)
        return entered[first : first + bracket.sizes[0]]

    def _follow(self) -> None:
        for number in self.history.numbers_from(self._read):
            trial = self.history[number]
            if trial.architecture not in self._met:
                self._met.add(trial.architecture)
                if trial.state != "infeasible" and trial.fidelity in self._entered:
                    self._entered[trial.fidelity].append(number)
        running: list[int] = []
        for number in (*self._running, *self.history.numbers_from(self._read)):
            trial = self.history[number]
            if not trial.finished:
                running.append(number)
            elif trial.state != "failed" and not trial.rejected:
                self.evaluated[trial.fidelity] += 1
            if trial.state == "infeasible":  # it may have entered while it ran
                entered = self._entered.get(trial.fidelity, [])
                if (place := bisect_left(entered, number)) < len(entered) and entered[place] == number:
                    del entered[place]
        self._running, self._read = running, self.history.next_number

    def _promotions(self, bracket: Bracket, rung: list[Trial]) -> tuple[Proposal, ...] | None:
        """Return the promotions that are due; none while trials are running, and None if the bracket has
        ended.
        """
        for size, label in zip(bracket.sizes[1:], bracket.labels[1:], strict=True):
            if not all(trial.finished for trial in rung):
                return ()
            best = self.history.ranked([trial for trial in rung if trial.state == "completed"])[:size]
            higher = [self.history.find(trial.architecture, label) for trial in best]
            if due := tuple(
                Proposal(trial.architecture, label, trial.number)
                for trial, known in zip(best, higher, strict=True)
                if known is None
            ):
                return due
            rung = [trial for trial in higher if trial is not None]
        return None if all(trial.finished for trial in rung) else ()
