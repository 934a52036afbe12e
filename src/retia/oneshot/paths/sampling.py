"""Sampling paths: random architectures that meet the restrictions of the space and the bounds on costs."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Literal

import numpy as np

from retia.errors import StudyError
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.rng import stream
from retia.space import Architecture

__all__ = ["PathSampler", "PathSession"]

TRIES = 1_000
"""Number of rejected samples in a row before the space is listed or the fallback is taken."""
LISTABLE = 10_000
"""Size of the largest space that is listed to find its allowed architectures."""
PATIENCE = 10_000
"""Number of samples in a row without a new one after which a larger space counts as exhausted."""


class PathSampler:
    """Sample architectures that a setting allows, by rejection.

    In a space of at most ten thousand architectures, of which bounds allow very few, it draws uniformly from
    a list of those few.

    Args:
        setting: Setting of the training.
        uniform: Distribution: "choices" is uniform over the values of each active parameter, "architectures"
            over the architectures (see `SearchSpace.sample`). Default "choices".

    Raises:
        StudyError: If no architecture is found that meets the bounds.
    """

    def __init__(self, setting: Setting, *, uniform: Literal["choices", "architectures"] = "choices") -> None:
        self._setting = setting
        self._space = setting.supernet.space
        self._uniform = uniform
        self.sample(stream(setting.seed, "a first path"))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture.

        Raises:
            StudyError: If no sampled architecture meets the bounds.
        """
        listable = self._space.size_before_restrictions() <= LISTABLE
        for _ in range(TRIES if listable else PATIENCE):
            architecture = self._space.sample(rng, uniform=self._uniform)
            if self._setting.allows(architecture):
                return architecture
        if listable and self._allowed:
            return self._allowed[int(rng.integers(len(self._allowed)))]
        looked = (
            f"None of the {self._space.size():,} architectures"
            if listable
            else f"None of {PATIENCE:,} sampled architectures"
        )
        msg = (
            f"{looked} of {self._space.name} met the bounds on costs. Loosen them, "
            "or narrow the choices to what is affordable."
        )
        raise StudyError(msg)

    def allows(self, architecture: Architecture) -> bool:
        """Return whether an architecture meets the restrictions of the space and the bounds on costs."""
        return architecture in self._space and self._setting.allows(architecture)

    def accepted(
        self,
        draw: Callable[[], Architecture],
        otherwise: Callable[[], Architecture],
        *,
        tries: int | None = None,
    ) -> Architecture:
        """Return the first architecture of a distribution that is allowed.

        Args:
            draw: Function that samples an architecture, allowed or not.
            otherwise: Function that returns the fallback after `tries` rejected samples.
            tries: Maximum number of samples. Default 1000.
        """
        for _ in range(tries or TRIES):
            architecture = draw()
            if self.allows(architecture):
                return architecture
        return otherwise()

    def unseen(
        self, rng: np.random.Generator, *, but: set[Architecture] | None = None
    ) -> Iterator[Architecture]:
        """Yield allowed architectures in random order, each once, until the space is exhausted.

        A space of at most ten thousand architectures is exhausted; a larger one, whose architectures can't be
        listed, counts as exhausted after ten thousand samples in a row without a new one that is allowed.

        Args:
            rng: Generator of the order.
            but: Architectures to skip. Default: no architecture.
        """
        seen = set(but or ())
        if self._space.size_before_restrictions() <= LISTABLE:
            for _ in range(TRIES // 10):
                architecture = self._space.sample(rng, uniform=self._uniform)
                if architecture not in seen:
                    seen.add(architecture)
                    if self._setting.allows(architecture):
                        yield architecture
            left = [architecture for architecture in self._space.enumerate() if architecture not in seen]
            yield from (left[i] for i in rng.permutation(len(left)) if self._setting.allows(left[i]))
            return
        misses = 0
        while misses < PATIENCE:
            architecture = self._space.sample(rng, uniform=self._uniform)
            misses += 1
            if architecture not in seen:
                seen.add(architecture)
                if self._setting.allows(architecture):
                    misses = 0
                    yield architecture

    @cached_property
    def _allowed(self) -> list[Architecture]:
        return [
            architecture for architecture in self._space.enumerate() if self._setting.allows(architecture)
        ]


class PathSession(Session):
    """A training of random paths; a method overrides what it does in another way.

    Args:
        setting: Setting of the training.
        uniform: Distribution of `self.sampler`, as in `PathSampler`. Default "choices".
    """

    def __init__(self, setting: Setting, *, uniform: Literal["choices", "architectures"] = "choices") -> None:
        super().__init__(setting)
        self.sampler = PathSampler(setting, uniform=uniform)

    def train_batch(self, item: TrainingBatch) -> float:
        """Add the gradients of a random path."""
        self.supernet.activate(self.sampler.sample(item.rng))
        loss = self.setting.loss(item.batch)
        item.scale(loss).backward()
        return float(loss.detach())

    def ranked(self) -> Iterator[Architecture]:
        """Yield random paths, each once."""
        return self.sampler.unseen(stream(self.setting.seed, "ranked"))
