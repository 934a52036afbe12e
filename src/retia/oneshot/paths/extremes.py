"""The largest and the smallest paths of a supernet."""

from collections.abc import Callable, Mapping

import numpy as np

from retia.nn import MixedLayer
from retia.oneshot.paths.sampling import PathSampler
from retia.oneshot.training.session import Setting
from retia.rng import stream
from retia.space import Architecture, Categorical, Domain, Value
from retia.supernet import Supernet

__all__ = ["Extremes", "ordered_labels"]

TRIES = 10
"""Number of further samples of the unordered values if the extreme path is not allowed."""
SAMPLES = 50
"""Number of sampled paths from which `nearest` starts with the nearest one."""


def ordered_labels(supernet: Supernet) -> frozenset[str]:
    """Return the labels of numbers and subsets, but not of layer choices."""
    layers = {module.label for module in supernet.modules() if isinstance(module, MixedLayer)}
    return frozenset(
        label
        for label, parameter in supernet.space.parameters.items()
        if label not in layers and _ordered(parameter.domain)
    )


class Extremes:
    """Finds the paths that have the greatest, or the least, of every size.

    Values without an order, such as the candidates of a layer choice, are sampled, and sampled again if the
    path is not allowed. If no sample is allowed, the nearest allowed path replaces it: the nearest of fifty
    samples, improved by greedy changes of one value.

    Args:
        setting: Setting of the training.
        sampler: Sampler of allowed paths.
    """

    def __init__(self, setting: Setting, sampler: PathSampler) -> None:
        self._setting = setting
        self._space = setting.supernet.space
        self._sampler = sampler
        self._nearest: dict[Architecture, Architecture] = {}
        self.ordered = ordered_labels(setting.supernet)

    def path(
        self,
        pick: Callable[[Domain], Value],
        rng: np.random.Generator | None,
        *,
        like: Mapping[str, Value] | None = None,
    ) -> Architecture:
        """Return the extreme path, or the nearest allowed one.

        Args:
            pick: Function that returns the extreme value of a domain: `greatest` or `least`.
            rng: Generator of the values without an order; None takes their defaults.
            like: Architecture whose values without an order are tried first. Default: no architecture.
        """
        path = self._extreme(pick, rng, like or {})
        for _ in range(0 if rng is None or self.ordered >= self._space.parameters.keys() else TRIES):
            if self._sampler.allows(path):
                break
            path = self._extreme(pick, rng, {})
        return path if self._sampler.allows(path) else self.nearest(path)

    def nearest(self, target: Architecture) -> Architecture:
        """Return an allowed path near `target`, always the same one."""
        if target not in self._nearest:
            rng = stream(self._setting.seed, "nearest", target.key)
            path = min(
                (self._sampler.sample(rng) for _ in range(SAMPLES)),
                key=lambda path: self._distance(path, target),
            )
            while (closer := self._closer(path, target)) is not None:
                path = closer
            self._nearest[target] = path
        return self._nearest[target]

    def _closer(self, path: Architecture, target: Architecture) -> Architecture | None:
        """Return the nearest allowed neighbour that is nearer than `path`; None if there is no such path."""
        here = self._distance(path, target)
        nearer = [
            other
            for other in self._space.neighbours(path)
            if self._distance(other, target) < here and self._setting.allows(other)
        ]
        return min(nearer, key=lambda other: self._distance(other, target), default=None)

    def _distance(self, path: Architecture, target: Architecture) -> float:
        """Return the sum of the parameters' distances in [0, 1]; 1 for a parameter of only one path."""
        gaps = [
            self._gap(label, path[label], target[label]) if label in path and label in target else 1.0
            for label in path.keys() | target.keys()
        ]
        return sum(sorted(gaps))  # in an order that is always the same

    def _gap(self, label: str, a: Value, b: Value) -> float:
        domain = self._space.parameters[label].domain
        if isinstance(domain, Categorical) and label in self.ordered and domain.size > 1:
            ranks = sorted(domain.values)  # pyright: ignore[reportArgumentType]  # numbers alone
            return abs(ranks.index(a) - ranks.index(b)) / (len(ranks) - 1)
        return domain.distance(a, b)

    def same_candidates(self, path: Architecture, other: Architecture) -> bool:
        """Return whether `path` has all values without an order that `other` has."""
        return all(path.get(label) == value for label, value in other.items() if label not in self.ordered)

    def _extreme(
        self, pick: Callable[[Domain], Value], rng: np.random.Generator | None, like: Mapping[str, Value]
    ) -> Architecture:
        values: dict[str, Value] = {}
        for label, parameter in self._space.parameters.items():
            if parameter.condition.holds(values):
                if label in self.ordered:
                    values[label] = pick(parameter.domain)
                elif label in like:
                    values[label] = like[label]
                else:
                    values[label] = parameter.domain.default if rng is None else parameter.domain.sample(rng)
        return Architecture(values)


def _ordered(domain: Domain) -> bool:
    return not isinstance(domain, Categorical) or all(
        isinstance(value, int | float) for value in domain.values
    )
