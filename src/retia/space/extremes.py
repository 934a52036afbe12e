"""The extreme values of a domain."""

from retia.space.categorical import Categorical
from retia.space.domain import Domain
from retia.space.subset import Subset
from retia.space.value import Value

__all__ = ["greatest", "least"]


def greatest(domain: Domain) -> Value:
    """Return the greatest value, which needs the most memory; the first of unordered values."""
    match domain:
        case Categorical(values=values):
            if all(isinstance(value, int | float) for value in values):
                return max(values)  # pyright: ignore[reportArgumentType]  # numbers alone
            return values[0]
        case Subset(items=items, most=most):
            return items[:most]
        case _:
            return domain.high


def least(domain: Domain) -> Value:
    """Return the least value, which needs the least memory; the last of unordered values."""
    match domain:
        case Categorical(values=values):
            if all(isinstance(value, int | float) for value in values):
                return min(values)  # pyright: ignore[reportArgumentType]  # numbers alone
            return values[-1]
        case Subset(items=items, least=fewest):
            return items[len(items) - fewest :]
        case _:
            return domain.low
