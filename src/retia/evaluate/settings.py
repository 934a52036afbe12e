"""The settings of an evaluator: plain values, or domains that the search chooses from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from retia.errors import EvaluationError
from retia.space import Categorical, Integer, Real, Subset, as_code, strays_in

__all__ = ["Searched", "is_domain", "require_settings"]

T = TypeVar("T")
Searched: TypeAlias = T | Categorical | Integer | Real
"""A setting, or the domain from which the search chooses it."""


@dataclass(frozen=True)
class _Bound:
    """A condition on a number."""

    holds: Callable[[Any], bool]
    words: str
    whole: bool = False


_BOUNDS: Mapping[str, _Bound] = {
    "epochs": _Bound(lambda value: value >= 1, "a whole number of at least 1", whole=True),
    "batch_size": _Bound(lambda value: value >= 1, "a whole number of at least 1", whole=True),
    "steps_per_epoch": _Bound(lambda value: value >= 1, "a whole number of at least 1", whole=True),
    "accumulate": _Bound(lambda value: value >= 1, "a whole number of at least 1", whole=True),
    "patience": _Bound(lambda value: value >= 1, "a whole number of at least 1", whole=True),
    "warmup_epochs": _Bound(lambda value: value >= 0, "a whole number of at least 0", whole=True),
    "lr": _Bound(lambda value: value > 0, "a positive number"),
    "clip_norm": _Bound(lambda value: value > 0, "a positive number"),
    "weight_decay": _Bound(lambda value: value >= 0, "a number of at least 0"),
    "momentum": _Bound(lambda value: 0 <= value < 1, "a number from 0 to below 1"),
    "label_smoothing": _Bound(lambda value: 0 <= value < 1, "a number from 0 to below 1"),
}
_NAMES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "optimizer": (("adamw", "sgd"), " or a function (parameters, lr) -> Optimizer"),
    "schedule": (("cosine", "constant"), " or a function (optimizer, steps) -> LRScheduler"),
    "precision": (("auto", "float32", "bfloat16", "float16"), ""),
}
_OPTIONAL = ("patience", "clip_norm", "steps_per_epoch")


def is_domain(value: object) -> bool:
    """Whether a setting is searched."""
    return isinstance(value, Categorical | Integer | Real | Subset)


def require_settings(owner: str, settings: Mapping[str, Any]) -> None:
    """Check settings; of a domain, check all its values.

    Args:
        owner: Name of the evaluator, for errors.
        settings: Values by field; unknown fields are left alone.

    Raises:
        EvaluationError: If a setting is not valid, or is a choice made where no search sees it; the message
            names the field.
    """
    for name, setting in settings.items():
        for stray in strays_in(setting):
            msg = (
                f"'{name}' of {owner} is the choice '{stray.label}' made at {stray.place}: "
                f"no search sees it, so it stays {stray.domain.default!r}. "
                "Give the domain itself, which is searched along with the architecture: "
                f"{name}={as_code(stray.domain)}."
            )
            raise EvaluationError(msg)
        for value in _values(setting):
            if value is None and name in _OPTIONAL:
                continue
            if (bound := _BOUNDS.get(name)) is not None:
                kinds = int if bound.whole else (int, float)
                if isinstance(value, bool) or not isinstance(value, kinds) or not bound.holds(value):
                    msg = f"'{name}' of {owner} must be {bound.words}, got {value!r}{_origin(setting)}."
                    raise EvaluationError(msg)
            elif name in _NAMES:
                names, otherwise = _NAMES[name]
                if value not in names and not (otherwise and callable(value)):
                    msg = (
                        f"'{name}' of {owner} must be one of {', '.join(map(repr, names))}{otherwise}, "
                        f"got {value!r}{_origin(setting)}."
                    )
                    raise EvaluationError(msg)


def _values(setting: Any) -> Iterator[Any]:
    """Yield the values of a setting; of a range its bounds."""
    match setting:
        case Categorical(values=values):
            yield from values
        case Integer(low=low, high=high) | Real(low=low, high=high):
            yield from (low, high)
        case _:
            yield setting


def _origin(setting: Any) -> str:
    return f" from the domain {setting}" if is_domain(setting) else ""
