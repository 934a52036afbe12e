"""FairNAS: every candidate is trained equally often."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from retia.errors import EvaluationError
from retia.oneshot.one_shot import OneShot, refuse_real_interval
from retia.oneshot.paths.sampling import PathSession
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.rng import stream
from retia.space import Architecture, SearchSpace, Value

__all__ = ["FairNAS"]

TRIES = 100
"""Number of fair paths in a row that may break a restriction; then the fairest of `SAMPLES` is taken."""
SAMPLES = 32
"""Number of random allowed paths of which the fairest is taken."""


@dataclass(frozen=True, kw_only=True)
class FairNAS(OneShot):
    """Train several paths with each batch, so that each value of each choice is used equally often.

    The gradients of the paths are summed. Each active parameter takes, at random, one of the values that it
    has taken least often. So with K paths a batch, each of K candidates is used exactly once: strict
    fairness. A parameter with another number n of values, or with a condition, uses each value exactly once
    in every n paths in which it is active, across batches. So the counts of its values never differ by more
    than 1. If restrictions or bounds forbid a hundred such paths in a row, exact fairness may be impossible:
    then, of 32 random allowed paths, the one is taken whose values have been used least often.

    Args:
        paths: Number of paths of a batch. Default: the largest number of values of a parameter.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Chu et al., FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search, ICCV
        2021, algorithm 1. Deviation: choices need not have the same number of values, as above. `ranked`
        yields random architectures; the paper searches by NSGA-II.
    """

    paths: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.paths is not None and self.paths < 1:
            msg = f"'paths' of FairNAS must be at least 1, got {self.paths}."
            raise EvaluationError(msg)

    def refuse(self, space: SearchSpace) -> str | None:
        """Return why the method can't search a space: a real interval has infinitely many values."""
        return refuse_real_interval(space, "and FairNAS can't train each of its values equally often")

    def session(self, setting: Setting) -> Session:
        """Start a training session.

        Raises:
            StudyError: If no architecture meets the bounds.
        """
        sizes = [int(parameter.domain.size) for parameter in setting.supernet.space.parameters.values()]
        return _Session(setting, self.paths or max(sizes, default=1))


class _Session(PathSession):
    """Trains the paths of a batch, which follow from its number alone.

    The paths of the batches in between, which other processes train, are drawn as well.
    """

    def __init__(self, setting: Setting, paths: int) -> None:
        super().__init__(setting)
        self._paths = paths
        self._restart()

    def train_batch(self, item: TrainingBatch) -> float:
        """Train the batch's paths, and return the sum of their losses."""
        if item.number < self._drawn:
            self._restart()
        while self._drawn < item.number:
            self._draw()
        total = 0.0
        for path in self._draw():
            self.supernet.activate(path)
            loss = self.setting.loss(item.batch)
            item.scale(loss).backward()
            total += float(loss.detach())
        return total

    def state_dict(self) -> dict[str, Any]:
        """Return how often each value has been used, by label, and the number of batches."""
        return {
            "drawn": self._drawn,
            "counts": {label: list(counts.values()) for label, counts in self._counts.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the counts."""
        self._drawn = int(state["drawn"])
        for label, counts in state["counts"].items():
            self._counts[label] = dict(zip(self._counts[label], map(int, counts), strict=True))

    def _restart(self) -> None:
        parameters = self.supernet.space.parameters.values()
        self._drawn = 0
        self._counts: dict[str, dict[Value, int]] = {
            one.label: dict.fromkeys(one.domain.enumerate(), 0) for one in parameters
        }

    def _draw(self) -> list[Architecture]:
        """Return the paths of the next batch."""
        rng = stream(self.setting.seed, "fair paths", self._drawn)
        self._drawn += 1
        paths: list[Architecture] = []
        for _ in range(self._paths):
            path = self._fair_path(rng)
            for label, value in path.items():
                self._counts[label][value] += 1
            paths.append(path)
        return paths

    def _fair_path(self, rng: np.random.Generator) -> Architecture:
        def fairest() -> Architecture:
            return min((self.sampler.sample(rng) for _ in range(SAMPLES)), key=self._unfairness)

        return self.sampler.accepted(lambda: self._least_used(rng), fairest, tries=TRIES)

    def _least_used(self, rng: np.random.Generator) -> Architecture:
        values: dict[str, Value] = {}
        for label, parameter in self.supernet.space.parameters.items():
            if parameter.condition.holds(values):
                counts = self._counts[label]
                least = min(counts.values())
                candidates = [value for value, count in counts.items() if count == least]
                values[label] = candidates[int(rng.integers(len(candidates)))]
        return Architecture.trusted(values)

    def _unfairness(self, path: Architecture) -> int:
        """Return how much more often than the least used ones the values of a path have been used."""
        return sum(
            self._counts[label][value] - min(self._counts[label].values()) for label, value in path.items()
        )
