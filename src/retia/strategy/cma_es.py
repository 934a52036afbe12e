"""The covariance matrix adaptation evolution strategy, with categories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retia.space import Architecture, SearchSpace, Value
from retia.strategy.random import Random
from retia.strategy.requirements import require_installed, require_whole
from retia.strategy.sampling.flat_space import FlatSpace, Row
from retia.strategy.sampling.optimizer_proposals import optimizer_proposals
from retia.trial import History, Proposal

__all__ = ["CMAES"]

SEEDS = 2**31


@dataclass(kw_only=True)
class CMAES:
    """Adapt a normal distribution of numbers, and a categorical one, to the best half of each generation.

    A generation is `population` evaluated trials, in the order of their numbers. An inactive parameter does
    not change its distribution. With several objectives or constraints the order is `History.ranked`. While
    trials of a generation are running, proposals come from the present distribution.

    Needs the extra `optuna`, which installs the package `cmaes`.

    Args:
        population: Number of trials in a generation, at least 2. Default: 4 + 3 log(columns), or more.

    Raises:
        SpaceError: If `population` is below 2.
        StudyError: If cmaes is not installed.

    Reference:
        Hansen, The CMA Evolution Strategy: A Tutorial, 2016; Hamano et al., CatCMA: Stochastic Optimization
        for Mixed-Category Problems, GECCO 2024 (with categories). The optimizer is that of the package cmaes.
        (Optuna's sampler, which wraps it too, draws categories at random.) Deviations: the optimizer learns
        from the values that were evaluated, such as integers and repaired subsets, and from trials of other
        strategies; for a seen proposal another one is drawn, and then it is mutated.
    """

    population: int | None = None
    _evolution: "_Evolution | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.population is not None:
            require_whole(self, population=2)
        require_installed("cmaes", extra="optuna", by="CMAES")

    def propose(
        self, space: SearchSpace, history: History, n: int, rng: np.random.Generator
    ) -> Sequence[Proposal]:
        """Return `n` unseen architectures, drawn from the distribution after the last whole generation."""
        evolution = self._evolution
        if evolution is None or evolution.flat.space is not space or evolution.history is not history:
            evolution = self._evolution = _Evolution(FlatSpace(space), history, self.population)
        if not evolution.flat.columns:
            return Random().propose(space, history, n, rng)
        evolution.follow()

        def ask(proposed: Sequence[Architecture]) -> Architecture:
            return evolution.flat.architecture(evolution.ask(int(rng.integers(SEEDS))), rng)

        return optimizer_proposals(space, history, n, rng, ask)


class _Evolution:
    """The optimizer after every whole generation of a history."""

    def __init__(self, flat: FlatSpace, history: History, population: int | None) -> None:
        self.flat = flat
        self.history = history
        columns = flat.columns
        self._numbers = [column.name for column in columns if not column.categories]
        self._categories = [(column.name, column.categories) for column in columns if column.categories]
        self._population = population
        self._learnt: list[int] = []  # the number of the last trial of each generation
        self._optimizer: Any = self._new() if columns else None

    def follow(self) -> None:
        """Update the optimizer by the new generations; by all if a late trial has joined an old one."""
        size: int = self._optimizer.population_size
        evaluated = self.history.evaluated
        # Evaluated trials are only ever inserted, so the earlier ones are unchanged if the last one is.
        if self._learnt and evaluated[len(self._learnt) * size - 1].number != self._learnt[-1]:
            self._learnt, self._optimizer = [], self._new()
        for end in range((len(self._learnt) + 1) * size, len(evaluated) + 1, size):
            ranked = self.history.ranked(evaluated[end - size : end])
            with np.errstate(all="ignore"):
                self._optimizer.tell(
                    [(self._solution(trial.architecture), float(rank)) for rank, trial in enumerate(ranked)]
                )
            self._learnt.append(evaluated[end - 1].number)

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
        """Return numbers, and one-hot categories; inactive parameters are at the mean, and uniform."""
        row = self.flat.row(architecture)
        numbers = np.array(self._optimizer.mean, dtype=np.float64)  # (numbers,)
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

        # CatCMA needs at least two numbers.
        dimensions = max(len(self._numbers), 2) if self._categories else len(self._numbers)
        mean, bounds = np.full(dimensions, 0.5), np.tile([0.0, 1.0], (dimensions, 1))
        if not self._categories:
            return CMA(mean=mean, sigma=1 / 6, bounds=bounds, population_size=self._population, seed=0)
        counts = np.array([count for _, count in self._categories])
        return CatCMA(
            mean=mean, sigma=1 / 6, cat_num=counts, bounds=bounds, population_size=self._population, seed=0
        )
