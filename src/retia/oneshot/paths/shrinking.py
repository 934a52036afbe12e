"""Progressive shrinking: a schedule of the values that are sampled at each training step."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retia.nn import ElasticSequential
from retia.space import Categorical, Domain, Real, Subset, Value, greatest
from retia.supernet import Elastic, Supernet

__all__ = ["Shrinking", "phases_of"]


def phases_of(supernet: Supernet) -> list[frozenset[str]]:
    """Return the labels of a supernet's kernel sizes, depths and widths, without empty phases.

    A kernel size determines `kernel_size` of a layer, a depth determines the depth of a `repeat`, and a width
    is any other parameter that determines the size of a tensor.
    """
    kernels, depths, widths = set[str](), set[str](), set[str]()
    for slot in supernet.slots.all:
        if slot.name == "kernel_size":
            kernels |= slot.labels
        elif slot.name == "depth" and isinstance(slot.owner, ElasticSequential):
            depths |= slot.labels
        elif slot.name == "elastic_sizes" and isinstance(slot.owner, Elastic):
            widths |= slot.labels
    depths -= kernels
    return [frozenset(labels) for labels in (kernels, depths, widths - kernels - depths) if labels]


@dataclass(frozen=True)
class Shrinking:
    """A schedule that opens the values of parameters from the largest down, one phase after the other.

    Which values are open depends on the step alone. First come the steps of the largest network, in which
    each parameter of a phase has its largest value. The other steps are shared equally by the phases. When a
    phase begins, the second largest values of its parameters open, and the further ones at equal distances,
    so that all are open before it ends; they stay open.

    Attributes:
        domains: Domains of the parameters in a phase, by label.
        phases: Labels of each phase.
        largest: Number of training steps of the largest network.
        steps: Total number of training steps.
    """

    domains: Mapping[str, Domain]
    phases: Sequence[frozenset[str]]
    largest: int
    steps: int

    def phase(self, step: int) -> int:
        """Return the phase of a step, from 0; -1 while the largest network is trained."""
        if step < self.largest or not self.phases:
            return -1
        return min(int(self._progress(step)), len(self.phases) - 1)

    def opened(self, label: str, step: int) -> float:
        """Return the completed share of a parameter's phase: negative before the phase, 1 after it."""
        number = next(i for i, labels in enumerate(self.phases) if label in labels)
        return min(self._progress(step) - number, 1.0)

    def open_values(self, label: str, step: int) -> list[Value]:
        """Return the open values of a parameter with a finite domain at a step, the largest first."""
        values = _from_largest(self.domains[label])
        share = self.opened(label, step)
        return values[: 1 if share < 0 else 2 + int(share * (len(values) - 1))]

    def sample(self, label: str, step: int, rng: np.random.Generator) -> Value:
        """Return a uniform sample of the open values, or of the open upper part of a real interval."""
        domain = self.domains[label]
        if isinstance(domain, Real):
            return domain.from_unit(1 - max(self.opened(label, step), 0.0) * rng.random())
        values = self.open_values(label, step)
        return values[int(rng.integers(len(values)))]

    def _progress(self, step: int) -> float:
        """Return the phase of a step plus the completed share of it; -1 for the largest network."""
        if step < self.largest:
            return -1.0
        left = self.steps - self.largest
        return (step - self.largest) * len(self.phases) / left if left > 0 else math.inf


def select(labels: Sequence[str], phases: Sequence[Callable[[str], bool]]) -> list[frozenset[str]]:
    """Return the labels of each phase; a label belongs to the first phase whose predicate holds."""
    left = list(labels)
    found: list[frozenset[str]] = []
    for predicate in phases:
        found.append(frozenset(label for label in left if predicate(label)))
        left = [label for label in left if label not in found[-1]]
    return found


def _from_largest(domain: Domain) -> list[Value]:
    """Return the values of a domain, the largest first; values without an order keep theirs."""
    values: list[Value] = list(domain.enumerate())
    match domain:
        case Subset():
            values = [greatest(domain), *(value for value in reversed(values) if value != greatest(domain))]
        case Categorical() if not all(isinstance(value, int | float) for value in values):
            pass
        case _:
            values.sort(reverse=True)  # pyright: ignore[reportCallIssue, reportArgumentType]  # numbers alone
    return values
