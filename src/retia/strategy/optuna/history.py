"""A history as Optuna's samplers see it. This module imports Optuna; import it where it is needed."""

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
from retia.strategy.sampling.flat_space import Column, FlatSpace
from retia.strategy.views.cursor import Cursor
from retia.trial import STOPPED_STEP, History, Trial

__all__ = ["OptunaHistory", "Parzen", "quiet"]

BEST = 25
"""Number of best trials that a sampler always sees; TPE takes at most as many for good."""

REJECTED = 1e30
"""Relative constraint violation of a rejected architecture."""

_DATE = datetime(2000, 1, 1, tzinfo=UTC)  # a finished trial needs a date, which no sampler reads
_STATES = {"running": TrialState.RUNNING, "completed": TrialState.COMPLETE, "infeasible": TrialState.PRUNED}


class OptunaHistory:
    """The trials of a history as Optuna's trials, each converted once.

    - Objectives are losses, to be minimized.
    - Constraints are relative violations; negative values are feasible.
    - A trial that was stopped early is pruned, with its loss at that step.
    - An infeasible trial is pruned, without objectives.
    - A failed trial is left out.

    Args:
        flat: The columns of the space.
        history: The trials of the study.
        impute: Whether an inactive parameter gets its default, for samplers that need every column in every
            trial. Default False.
        most: Number of the newest trials that a sampler sees, besides the best 25. Default: all.
    """

    def __init__(
        self, flat: FlatSpace, history: History, *, impute: bool = False, most: int | None = None
    ) -> None:
        self.flat = flat
        self.history = history
        self.distributions = {column.name: _distribution(column) for column in flat.columns}
        defaults = {label: one.domain.default for label, one in flat.space.parameters.items()}
        self._defaults = flat.row(defaults) if impute else {}
        self._most = most
        self._cursor = Cursor(history)
        self._frozen: dict[int, FrozenTrial | None] = {}
        self._having: dict[str, list[int]] = {name: [] for name in self.distributions}
        self._order: list[tuple[bool, float, float, int]] = []

    def follow(self) -> None:
        """Read the changes since the last call."""
        begun, ended = self._cursor.read()
        for trial in {one.number: one for one in (*begun, *ended)}.values():
            new = trial.number not in self._frozen
            frozen = self._freeze(trial.number, trial.state, trial.architecture, trial)
            self._frozen[trial.number] = frozen
            if new and frozen is not None:
                for name in frozen.params:
                    self._having[name].append(trial.number)
            if trial.state in ("completed", "infeasible") and not trial.rejected:
                self._rank(trial)

    def _rank(self, trial: Trial) -> None:
        if self.history.feasible(trial):
            insort(self._order, (False, -trial.reached, self.history.losses(trial)[0], trial.number))
        else:
            insort(self._order, (True, 0.0, self.history.violation(trial), trial.number))

    def sample(
        self, sampler: BaseSampler, names: Iterable[str], proposed: Sequence[Architecture] = ()
    ) -> dict[str, Any]:
        """Sample the values of some columns jointly.

        Args:
            sampler: A new sampler with a seed.
            names: Names of the columns.
            proposed: Architectures that count as running trials, in addition to those of the history.
        """
        names = list(names)
        if not names:
            return {}
        count = self.history.next_number
        trials = self._visible(names[0])
        begun = (self._freeze(count + i, "running", one) for i, one in enumerate(proposed))
        trials += [frozen for frozen in begun if frozen is not None and names[0] in frozen.params]
        storage = _ReadOnlyStorage(trials, len(self.history.objectives))
        study = Study("history", storage, sampler=sampler, pruner=NopPruner())
        asked = _frozen_trial(count + len(proposed), TrialState.RUNNING)
        return sampler.sample_relative(study, asked, {name: self.distributions[name] for name in names})

    def _visible(self, name: str) -> list[FrozenTrial]:
        """Return the trials that have the column, by number: all, or the newest and the best ones."""
        newest = (
            trial
            for number in reversed(self._having[name])
            if (trial := self._frozen.get(number)) is not None
        )
        kept = {trial.number: trial for trial in islice(newest, self._most)}
        if self._most is not None and next(newest, None) is not None:
            front = self.history.front if len(self.history.objectives) > 1 else []
            best = (trial.number for trial in front) if front else (number for *_, number in self._order)
            ranked = (
                trial
                for number in best
                if (trial := self._frozen.get(number)) is not None and name in trial.params
            )
            kept.update((trial.number, trial) for trial in islice(ranked, BEST))
        return [kept[number] for number in sorted(kept)]

    def _freeze(
        self, number: int, state: str, architecture: Architecture, trial: Trial | None = None
    ) -> FrozenTrial | None:
        if state not in _STATES:
            return None
        row = {**self._defaults, **self.flat.row(architecture)}
        distributions = {name: self.distributions[name] for name in row}
        slacks = _slacks(trial, self.history) if trial is not None and state != "running" else []
        if trial is None or state != "completed":
            return _frozen_trial(number, _STATES[state], row, distributions, slacks=slacks)
        losses = [float(loss) for loss in self.history.losses(trial)]
        if STOPPED_STEP not in trial.metrics:
            return _frozen_trial(number, TrialState.COMPLETE, row, distributions, losses, slacks)
        # Optuna compares pruned trials by a single loss.
        last = {int(trial.metrics[STOPPED_STEP]): losses[0]} if len(losses) == 1 else {}
        return _frozen_trial(
            number, TrialState.PRUNED, row, distributions, slacks=slacks, intermediate_values=last
        )


class Parzen(TPESampler):
    """Optuna's TPE sampler without the conversion of values: all columns are numbers already."""

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, NDArray[Any]]:
        # The conversion took a quarter of the time for a proposal. Without this private method of Optuna the
        # result is the same.
        return {name: np.asarray([trial.params[name] for trial in trials]) for name in search_space}


@contextmanager
def quiet() -> Generator[None]:
    """Silence Optuna's log messages below errors, and restore its verbosity at the end."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(column: Column) -> BaseDistribution:
    if column.categories:
        return CategoricalDistribution(tuple(range(column.categories)))
    return FloatDistribution(0.0, 1.0)


def _slacks(trial: Trial, history: History) -> list[float]:
    """Return the signed violation of each bound, relative to the bound; negative if it holds."""
    if trial.rejected:
        return [REJECTED]
    slacks: list[float] = []
    for constraint in history.constraints:
        if constraint.metric in trial.metrics:
            value = trial.metrics[constraint.metric]
            for bound, sign in ((constraint.upper, 1), (constraint.lower, -1)):
                if bound is not None:
                    slacks.append(sign * (value - bound) / max(abs(bound), 1e-12))
    return slacks


class _Frozen(FrozenTrial):
    """Optuna's trial with cached properties, which samplers read in every comparison."""

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


class _ReadOnlyStorage(InMemoryStorage):
    """A storage that shows trials and stores nothing. Optuna creates no study in it, so it logs nothing."""

    def __init__(self, trials: Sequence[FrozenTrial], objectives: int) -> None:
        super().__init__()
        self._shown = trials
        self._objectives = objectives

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the number of the only study."""
        return 0

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return that all objectives are minimized."""
        return [StudyDirection.MINIMIZE] * self._objectives

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials without a copy, since samplers only read them."""
        return [trial for trial in self._shown if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Ignore what a sampler notes for other processes: the history has their running trials."""
