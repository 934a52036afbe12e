"""Which architectures a check tries, and which choice is to blame for what it finds."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from retia.errors import RetiaError
from retia.nn import ModelSpace
from retia.rng import stream
from retia.space import Architecture, Value, greatest, least

__all__ = [
    "MOST",
    "RANDOM",
    "architectures_to_try",
    "culprit",
    "extremes",
    "follows",
    "greatest_architecture",
    "starting_architecture",
]

RANDOM = 4
"""How many random architectures are tried, besides those that go through the values one after the other."""
MOST = 10
"""How many architectures are tried at most."""


def starting_architecture(space: ModelSpace) -> Architecture:
    """Return the default architecture; where a restriction forbids it, another."""
    return next(architectures_to_try(space))


def architectures_to_try(space: ModelSpace) -> Iterator[Architecture]:
    """Yield the default, the extremes, ones that go through the values of every parameter, and random ones,
    each once.
    """
    rng = stream(0, "supernet")
    tried: set[Architecture] = set()
    offsets = {label: int(rng.integers(1 << 16)) for label in space.parameters}

    def candidates() -> Iterator[Architecture]:
        yield from _allowed(
            space, [{label: parameter.domain.default for label, parameter in space.parameters.items()}]
        )
        yield from extremes(space)
        yield from _allowed(
            space,
            (
                {label: _nth(space, label, i + offsets[label]) for label in space.parameters}
                for i in range(MOST - RANDOM - 3)
            ),
        )
        for _ in range(RANDOM):
            yield space.sample(rng)

    for architecture in candidates():
        if architecture not in tried:
            tried.add(architecture)
            yield architecture


def greatest_architecture(space: ModelSpace) -> Architecture:
    """Return the architecture of the greatest values, which symbolic values are while a constructor runs; the
    space may exclude it.
    """
    return space.canonical(
        {label: greatest(parameter.domain) for label, parameter in space.parameters.items()}
    )


def extremes(space: ModelSpace) -> Iterator[Architecture]:
    """Yield the architecture of the greatest values and that of the least, as far as they belong to the
    space.
    """
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    return _allowed(
        space,
        [{label: extreme(domain) for label, domain in domains.items()} for extreme in (greatest, least)],
    )


def culprit(
    space: ModelSpace, architecture: Architecture, differs: Callable[[Architecture], bool]
) -> str | None:
    """Return the first parameter whose value makes the supernet differ from the model built alone.

    Args:
        space: The space.
        architecture: One for which they differ.
        differs: Whether they do for another; where its model can't be built, it is not asked.
    """
    values: dict[str, Value] = {
        label: greatest(parameter.domain) for label, parameter in space.parameters.items()
    }
    for label in architecture:
        values[label] = architecture[label]
        try:
            if differs(space.canonical(values)):
                return label
        except RetiaError:
            continue
    return None


def follows(label: str | None) -> str:
    """Say that something does not follow a choice, if it is known which."""
    return f" It does not follow the choice '{label}'." if label else ""


def _allowed(space: ModelSpace, rows: Iterable[Mapping[str, Value]]) -> Iterator[Architecture]:
    for row in rows:
        architecture = space.canonical(row)
        if architecture in space:
            yield architecture


def _nth(space: ModelSpace, label: str, i: int) -> Value:
    domain = space.parameters[label].domain
    size = min(domain.size, 1000)
    return domain.from_unit((i % size + 0.5) / size)
