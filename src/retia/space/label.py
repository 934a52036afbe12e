"""Labels: the names of parameters, and the scopes in front of them."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from retia.errors import SpaceError

__all__ = ["labelled", "qualified", "valid_label"]

P = ParamSpec("P")
R = TypeVar("R")


def valid_label(label: object) -> str:
    """Return a valid label or name of a scope unchanged.

    Raises:
        SpaceError: If `label` is not a non-empty string, or contains a "/" without starting with one.
    """
    if isinstance(label, str) and label and "/" not in label:
        return label
    if not isinstance(label, str) or not label.removeprefix("/"):
        msg = (
            f"A label is a non-empty string, got {label!r}. The label comes first: choice('width', [16, 32])."
        )
        raise SpaceError(msg)
    parts = label.removeprefix("/").split("/")
    if "" in parts or (len(parts) > 1 and not label.startswith("/")):
        absolute = "/" + "/".join(filter(None, parts))
        msg = (
            f"The label {label!r} contains a '/', which separates scopes. Rename it, "
            f"put the declaration in `with retia.scope({parts[0] or parts[-1]!r}):`, "
            f"or write {absolute!r} for the parameter of that full name, wherever it is declared."
        )
        raise SpaceError(msg)
    return label


def qualified(scopes: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Return a label below its scopes; one that starts with "/" is outside all scopes."""
    return (label.removeprefix("/"),) if label.startswith("/") else (*scopes, label)


def labelled(example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that validates a declaration's first argument, its label, before the call.

    Args:
        example: Valid call, for the error message.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def declared(*args: P.args, **kwargs: P.kwargs) -> R:
            label = args[0] if args else kwargs.get("label")
            if not isinstance(label, str):
                msg = (
                    f"{function.__name__}(...) takes a label first, the name of the parameter, "
                    f"got {label!r}. A label is a non-empty string: {example}."
                )
                raise SpaceError(msg)
            valid_label(label)
            return function(*args, **kwargs)

        return declared

    return decorate
