"""All architectures of a conditional space, one by one."""

from collections.abc import Iterator, Sequence

from retia.space.parameter import Parameter
from retia.space.value import Value

__all__ = ["enumerate_values"]

_END = object()


def enumerate_values(parameters: Sequence[Parameter]) -> Iterator[dict[str, Value]]:
    """Yield the values of every architecture, like an odometer with wheels that come and go."""
    values: dict[str, Value] = {}
    wheels: list[Iterator[Value] | None] = []  # one per parameter; None while it is not active
    while True:
        for parameter in parameters[len(wheels) :]:
            wheel = parameter.domain.enumerate() if parameter.condition.holds(values) else None
            wheels.append(wheel)
            if wheel is not None:
                values[parameter.label] = next(wheel)
        yield dict(values)
        while wheels:
            wheel, label = wheels[-1], parameters[len(wheels) - 1].label
            value = _END if wheel is None else next(wheel, _END)
            if value is not _END:
                values[label] = value  # pyright: ignore[reportArgumentType]  # the sentinel is excluded
                break
            values.pop(label, None)
            wheels.pop()
        else:
            return
