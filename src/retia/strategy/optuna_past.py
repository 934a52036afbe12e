"""The past of a study as Optuna's samplers see it. Imports Optuna; imported by what needs it, when it needs
it.
"""

from bisect import insort
from collections.abc import Container, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.pruners import NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from retia.space import Architecture
from retia.strategy.columns import Column, Columns
from retia.trial import STOPPED_STEP, History, Trial

__all__ = ["Parzen", "Past", "quiet"]

BEST = 25
"""How many trials TPE takes for good at most, where there is one objective."""

REJECTED = 1e30
"""By which share a trial misses its bounds whose architecture is not a working model."""

_DATE = datetime(2000, 1, 1, tzinfo=UTC)  # a trial that has ended has a date, which no sampler reads
_STATES = {"running": TrialState.RUNNING, "completed": TrialState.COMPLETE, "infeasible": TrialState.PRUNED}


class Past:
    """The trials of a history as Optuna has them, made once each.

    Objectives are losses, to be minimized. A trial that was stopped early is a pruned one, with its loss at
    the step. An infeasible trial has no objectives, so it is a pruned one that misses its constraints; a
    failed one is left out. Constraints are signed shares of their bounds.

    Args:
        columns: How the space is columns.
        history: The study's trials.
        impute: Whether an inactive parameter has its default, for a sampler that wants each column in each
            trial.
        most: How many of the newest trials a sampler sees, beside the best `BEST`; all if not given.
    """

    def __init__(
        self, columns: Columns, history: History, *, impute: bool = False, most: int | None = None
    ) -> None:
        self.columns = columns
        self.history = history
        self.distributions = {column.name: _distribution(column) for column in columns.all}
        space = columns.space
        self._defaults = (
            columns.row({label: parameter.domain.default for label, parameter in space.parameters.items()})
            if impute
            else {}
        )
        self._most = most
        self._frozen: list[FrozenTrial | None] = []
        self._having: dict[str, list[int]] = {name: [] for name in self.distributions}
        self._order: list[tuple[bool, float, float, int]] = []
        self._running: list[int] = []

    def follow(self) -> None:
        """Read what has begun and ended since the last call."""
        before = len(self._frozen)
        new = self.history.numbers_from(before)
        self._frozen += [None] * (self.history.next_number - before)
        changed = [
            number for number in (*self._running, *new) if number >= before or self.history[number].finished
        ]
        for number in changed:
            trial = self.history[number]
            frozen = self._frozen[number] = self._freeze(number, trial.state, trial.architecture, trial)
            if number >= before and frozen is not None:
                for name in frozen.params:
                    self._having[name].append(number)
            if trial.state in ("completed", "infeasible") and not trial.rejected:
                good = self.history.feasible(trial)
                worth = (
                    (-trial.reached, self.history.losses(trial)[0])
                    if good
                    else (0.0, self.history.violation(trial))
                )
                insort(self._order, (not good, *worth, number))
        self._running = [number for number in (*self._running, *new) if not self.history[number].finished]

    def sample(
        self, sampler: BaseSampler, names: Iterable[str], proposed: Sequence[Architecture] = ()
    ) -> dict[str, Any]:
        """Ask a sampler for the values of some columns together.

        Args:
            sampler: A new one of Optuna's, with a seed.
            names: The columns.
            proposed: Architectures that count as running, beside those that the history has.
        """
        names = list(names)
        if not names:
            return {}
        count = self.history.next_number
        trials = self._visible(names[0])
        begun = (self._freeze(count + i, "running", one) for i, one in enumerate(proposed))
        trials += [frozen for frozen in begun if frozen is not None and names[0] in frozen.params]
        study = Study(
            "past", _Past(trials, len(self.history.objectives)), sampler=sampler, pruner=NopPruner()
        )
        asked = _frozen_trial(count + len(proposed), TrialState.RUNNING)
        return sampler.sample_relative(study, asked, {name: self.distributions[name] for name in names})

    def _visible(self, name: str) -> list[FrozenTrial]:
        """Return the trials that have the column, in the order of their numbers: all, or the newest and the
        best.
        """
        newest = (
            trial for number in reversed(self._having[name]) if (trial := self._frozen[number]) is not None
        )
        kept = {trial.number: trial for trial in islice(newest, self._most)}
        if self._most is not None and next(newest, None) is not None:
            front = self.history.front if len(self.history.objectives) > 1 else []
            best = (trial.number for trial in front) if front else (number for *_, number in self._order)
            ranked = (
                trial
                for number in best
                if (trial := self._frozen[number]) is not None and name in trial.params
            )
            kept.update((trial.number, trial) for trial in islice(ranked, BEST))
        return [kept[number] for number in sorted(kept)]

    def _freeze(
        self, number: int, state: str, architecture: Architecture, trial: Trial | None = None
    ) -> FrozenTrial | None:
        if state not in _STATES:
            return None
        row = {**self._defaults, **self.columns.row(architecture)}
        distributions = {name: self.distributions[name] for name in row}
        slacks = _slacks(trial, self.history) if trial is not None and state != "running" else []
        if trial is None or state != "completed":
            return _frozen_trial(number, _STATES[state], row, distributions, slacks=slacks)
        losses = [float(loss) for loss in self.history.losses(trial)]
        if STOPPED_STEP not in trial.metrics:
            return _frozen_trial(number, TrialState.COMPLETE, row, distributions, losses, slacks)
        at_the_end = (
            {int(trial.metrics[STOPPED_STEP]): losses[0]} if len(losses) == 1 else {}
        )  # Optuna compares pruned trials by one loss
        return _frozen_trial(
            number, TrialState.PRUNED, row, distributions, slacks=slacks, intermediate_values=at_the_end
        )


class Parzen(TPESampler):
    """Optuna's sampler, which takes the numbers of the trials of a `Past` as they are: each has the columns,
    and each column is one of numbers.
    """

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, NDArray[Any]]:
        # A quarter of the time for a proposal went to turn these numbers into themselves. If Optuna calls
        # this otherwise one day, its own will do.
        return {name: np.asarray([trial.params[name] for trial in trials]) for name in search_space}


@contextmanager
def quiet() -> Generator[None]:
    """Keep Optuna from logging what it says of itself; its verbosity is what it was afterwards."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(column: Column) -> BaseDistribution:
    return (
        CategoricalDistribution(tuple(range(column.categories)))
        if column.categories
        else FloatDistribution(0.0, 1.0)
    )


def _slacks(trial: Trial, history: History) -> list[float]:
    """Return by which share of the bound each end of each constraint is missed; negative where it is met.
    What was rejected misses all by far.
    """
    if trial.rejected:
        return [REJECTED]
    slacks: list[float] = []
    for constraint in history.constraints:
        if constraint.metric in trial.metrics:
            value = trial.metrics[constraint.metric]
            slacks += [
                (value - bound) / max(abs(bound), 1e-12) for bound in (constraint.upper,) if bound is not None
            ]
            slacks += [
                (bound - value) / max(abs(bound), 1e-12) for bound in (constraint.lower,) if bound is not None
            ]
    return slacks


class _Frozen(FrozenTrial):
    """Optuna's trial, which does not look anew what it is each time that a sampler compares it."""

    @cached_property
    def number(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]  # Optuna's can be set
        return super().number

    @cached_property
    def value(self) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().value

    @cached_property
    def params(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().params

    @cached_property
    def constraints(self) -> dict[str, float]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().constraints


def _frozen_trial(
    number: int,
    state: TrialState,
    row: Mapping[str, Any] | None = None,
    distributions: Mapping[str, BaseDistribution] | None = None,
    values: Sequence[float] | None = None,
    slacks: Sequence[float] = (),
    intermediate_values: Mapping[int, float] | None = None,
) -> FrozenTrial:
    return _Frozen(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=values,
        datetime_start=_DATE,
        datetime_complete=None if state == TrialState.RUNNING else _DATE,
        params=dict(row or {}),
        distributions=dict(distributions or {}),
        user_attrs={},
        system_attrs={f"constraints:{i}": slack for i, slack in enumerate(slacks)},
        intermediate_values=dict(intermediate_values or {}),
    )


class _Past(InMemoryStorage):
    """A storage that shows trials and keeps nothing. Optuna makes no study in it, and so logs none."""

    def __init__(self, trials: Sequence[FrozenTrial], objectives: int) -> None:
        super().__init__()
        self._shown = trials
        self._objectives = objectives

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the number of the only study."""
        return 0

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return that losses are minimized."""
        return [StudyDirection.MINIMIZE] * self._objectives

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials themselves: samplers only read them."""
        return [trial for trial in self._shown if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Forget what a sampler notes for other processes: the history tells it what they run."""
