"""The architectures that verification tries."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from retia.nn import ModelSpace
from retia.rng import stream
from retia.space import Architecture, Domain, Value, greatest, least

__all__ = ["architectures_to_try", "extremes", "greatest_architecture", "starting_architecture"]

RANDOM = 4
"""Number of random architectures that are tried."""
MOST = 10
"""Upper bound of the number of architectures that are tried."""


def starting_architecture(space: ModelSpace) -> Architecture:
    """Return the default architecture, or another one if a restriction excludes it."""
    return next(architectures_to_try(space))


def architectures_to_try(space: ModelSpace) -> Iterator[Architecture]:
    """Yield architectures once each: default, extremes, a cycle through all values, random ones."""
    rng = stream(0, "supernet")
    offsets = {label: int(rng.integers(1 << 16)) for label in space.parameters}

    def candidates() -> Iterator[Architecture]:
        yield from _members(space, [_values(space, lambda domain: domain.default)])
        yield from extremes(space)
        cycle = (
            {label: _nth(space, label, i + offset) for label, offset in offsets.items()}
            for i in range(MOST - RANDOM - 3)
        )
        yield from _members(space, cycle)
        for _ in range(RANDOM):
            yield space.sample(rng)

    tried: set[Architecture] = set()
    for architecture in candidates():
        if architecture not in tried:
            tried.add(architecture)
            yield architecture


def greatest_architecture(space: ModelSpace) -> Architecture:
    """Return the architecture with the greatest value of every parameter, even if `space` excludes it."""
    return space.canonical(_values(space, greatest))


def extremes(space: ModelSpace) -> Iterator[Architecture]:
    """Yield the architectures with all greatest and all least values, if they belong to `space`."""
    return _members(space, [_values(space, greatest), _values(space, least)])


def _values(space: ModelSpace, choose: Callable[[Domain], Value]) -> dict[str, Value]:
    return {label: choose(parameter.domain) for label, parameter in space.parameters.items()}


def _members(space: ModelSpace, rows: Iterable[Mapping[str, Value]]) -> Iterator[Architecture]:
    for row in rows:
        architecture = space.canonical(row)
        if architecture in space:
            yield architecture


def _nth(space: ModelSpace, label: str, i: int) -> Value:
    domain = space.parameters[label].domain
    size = min(domain.size, 1000)
    return domain.from_unit((i % size + 0.5) / size)
