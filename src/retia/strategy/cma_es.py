"""The covariance matrix adaptation evolution strategy, with categories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.space import Architecture, SearchSpace, Value
from retia.strategy.asking import ask_for_unseen
from retia.strategy.columns import Columns, Row
from retia.strategy.extras import check_installed
from retia.strategy.random import Random
from retia.strategy.settings import check_whole
from retia.trial import History, Proposal

__all__ = ["CMAES"]

SEEDS = 2**31


@dataclass(kw_only=True)
class CMAES:
    """Adapt a normal distribution over the numbers, and a categorical one over the categories, to the better
    half of each generation.

    Every `population` evaluated trials, in the order of their numbers, are a generation. An inactive
    parameter moves no distribution. With several objectives or constraints the better are the first by
    `History.ranked`. While trials of a generation run, the next proposals come from the distribution that
    there is.

    Needs the extra `optuna`, of which the package `cmaes` is a part.

    Args:
        population: How many trials are a generation; 4 + 3 log(number of columns), at least, if not given.

    Raises:
        SpaceError: If `population` is below two.
        StudyError: If cmaes is not installed.

    Reference:
        Hansen, The CMA Evolution Strategy: A Tutorial, 2016; Hamano et al., CatCMA: Stochastic Optimization
        for Mixed-Category Problems, GECCO 2024 (where there are categories). The optimizer is that of the
        package cmaes, which Optuna's sampler wraps; that sampler draws categories at random, and keeps its
        state beside the trials. Deviations: the optimizer learns from the values that were evaluated,
        integers and repaired subsets among them, and from trials that it has not proposed; a proposal that is
        known is asked for again, and then mutated.
    """

    population: int | None = None
    _evolution: "_Evolution | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.population is not None:
            check_whole(self, population=2)
        check_installed("cmaes", extra="optuna", by="CMAES")

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` new architectures, drawn from the distribution after the last whole generation."""
        evolution = self._evolution
        if evolution is None or evolution.columns.space is not space or evolution.history is not history:
            evolution = self._evolution = _Evolution(Columns(space), history, self.population)
        if not evolution.columns.all:
            return Random().propose(space, history, n, rng)
        evolution.follow()

        def ask(proposed: Sequence[Architecture]) -> Architecture:
            return evolution.columns.architecture(evolution.ask(int(rng.integers(SEEDS))), rng)

        return ask_for_unseen(space, history, n, rng, ask)


class _Evolution:
    """The optimizer that has been told every whole generation of a history."""

    def __init__(self, columns: Columns, history: History, population: int | None) -> None:
        self.columns = columns
        self.history = history
        self._numbers = [column.name for column in columns.all if not column.categories]
        self._categories = [(column.name, column.categories) for column in columns.all if column.categories]
        self._population = population
        self._told: list[int] = []  # the number of the last trial of each generation
        self._optimizer: Any = self._new() if columns.all else None

    def follow(self) -> None:
        """Tell the optimizer the generations that are new; all of them again where a late trial has joined an
        old one.
        """
        size: int = self._optimizer.population_size
        evaluated = self.history.evaluated
        # Trials only join those that have been evaluated, so the first of them are the same while the last of
        # these is.
        if self._told and evaluated[len(self._told) * size - 1].number != self._told[-1]:
            self._told, self._optimizer = [], self._new()
        for end in range((len(self._told) + 1) * size, len(evaluated) + 1, size):
            ranked = self.history.ranked(evaluated[end - size : end])
            with np.errstate(all="ignore"):
                self._optimizer.tell(
                    [(self._solution(trial.architecture), float(rank)) for rank, trial in enumerate(ranked)]
                )
            self._told.append(evaluated[end - 1].number)

    def ask(self, seed: int) -> Row:
        """Draw a row of all columns."""
        self._optimizer.reseed_rng(seed)
        with np.errstate(all="ignore"):
            drawn = self._optimizer.ask()
        numbers, categories = drawn if self._categories else (drawn, ())
        row: Row = dict(zip(self._numbers, np.asarray(numbers).tolist(), strict=False))
        row.update(
            (name, int(np.argmax(one_hot)))
            for (name, _), one_hot in zip(self._categories, categories, strict=True)
        )
        return row

    def _solution(
        self, architecture: Mapping[str, Value]
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the architecture as the optimizer has it; what is not active is at the mean, or of every
        category alike.
        """
        row = self.columns.row(architecture)
        numbers = np.array(
            self._optimizer.mean, dtype=np.float64
        )  # (numbers,), at least two beside categories
        for i, name in enumerate(self._numbers):
            numbers[i] = row.get(name, numbers[i])
        if not self._categories:
            return numbers
        one_hot = np.zeros((len(self._categories), max(count for _, count in self._categories)))
        for i, (name, count) in enumerate(self._categories):
            if name in row:
                one_hot[i, int(row[name])] = 1.0
            else:
                one_hot[i, :count] = 1.0 / count
        return numbers, one_hot

    def _new(self) -> Any:
        from cmaes import CMA, CatCMA

        dimensions = (
            max(len(self._numbers), 2) if self._categories else len(self._numbers)
        )  # CatCMA takes no fewer numbers
        mean, bounds = np.full(dimensions, 0.5), np.tile([0.0, 1.0], (dimensions, 1))
        if not self._categories:
            return CMA(mean=mean, sigma=1 / 6, bounds=bounds, population_size=self._population, seed=0)
        counts = np.array([count for _, count in self._categories])
        return CatCMA(
            mean=mean, sigma=1 / 6, cat_num=counts, bounds=bounds, population_size=self._population, seed=0
        )
