"""Choices made outside of a constructor, which a search can't see."""

from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

from torch import nn

from retia.errors import SpaceError
from retia.space import Place, Stray, strays_in, strays_of, symbolic

__all__ = ["declared_in_methods", "reject_misplaced_choices"]


def reject_misplaced_choices(
    name: str, factory: Callable[..., nn.Module], arguments: Mapping[str, Any], model: nn.Module
) -> None:
    """Reject a model that uses a choice made at module level, in a default argument, or for the space.

    Args:
        name: Name of `factory`, for the error.
        factory: Constructor of the model.
        arguments: Arguments of the constructor, by name or position.
        model: The traced model.

    Raises:
        SpaceError: If the model uses such a choice.
    """
    for argument, value in arguments.items():
        for stray in strays_in(value):
            msg = (
                f"The choice '{stray.label}' made at {stray.place} is an argument of the ModelSpace "
                f"({argument}), so it stays {stray.domain.default!r}: no search sees it. "
                f"Declare it in the constructor of {name}, or in a function that makes the model: "
                f"ModelSpace(lambda: {name}(retia.choice(...)))."
            )
            raise SpaceError(msg)
    modules = list(model.named_modules())
    constructors = [factory, *dict.fromkeys(type(module) for _, module in modules)]
    functions = [one.__init__ if isinstance(one, type) else one for one in constructors]
    for where, stray in (
        *(found for function in functions for found in strays_of(function)),
        *_of_attributes(modules),
    ):
        msg = (
            f"The choice '{stray.label}' made at {stray.place} is used {where}. "
            f"It was made once, when that line ran, so it stays {stray.domain.default!r}: no search sees it. "
            "Declare it in __init__ instead."
        )
        raise SpaceError(msg)


def declared_in_methods(model: nn.Module) -> str:
    """Return a sentence that names the first method, other than `__init__`, with a declaration; or ""."""
    for kind in dict.fromkeys(type(module) for module in model.modules()):
        for function in kind.__dict__.values():
            if (
                isinstance(function, FunctionType)
                and function.__name__ != "__init__"
                and (name := _declaration_in(function))
            ):
                return f"{name}(...) is called in {Place(function.__code__, 0)}, where no search sees it. "
    return ""


def _of_attributes(modules: list[tuple[str, nn.Module]]) -> Iterator[tuple[str, Stray]]:
    for path, module in modules:
        for name, value in module.__dict__.items():
            if type(value) not in _PLAIN and not name.startswith("_") and symbolic(value):
                for stray in strays_in(value):
                    yield f"in '{f'{path}.{name}'.lstrip('.')}' ({type(module).__name__})", stray


def _declaration_in(function: FunctionType) -> str | None:
    """Return the first declaration that a function calls, as it is written; None without one."""
    names = function.__code__.co_names
    for name in names:
        known = function.__globals__.get(name)
        if name in _DECLARATIONS and getattr(known, "__module__", "").startswith(
            ("retia.space.", "retia.nn.")
        ):
            return name
        if getattr(known, "__name__", None) == "retia":
            return next((f"{name}.{other}" for other in names if other in _DECLARATIONS), None)
    return None


_PLAIN = frozenset({int, bool, str, float, type(None)})
_DECLARATIONS = ("choice", "integer", "real", "subset", "layer_choice", "input_choice", "repeat", "cell")
