"""Factories: classes and functions that make a module, or modules to copy."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import nn

from retia.errors import RetiaError, SpaceError

__all__ = ["Candidates", "Factory", "construct", "named"]

Factory: TypeAlias = "Callable[[], nn.Module] | nn.Module"
"""A class or function that makes a module, or a module, which is copied."""

Candidates: TypeAlias = "Mapping[str, Factory] | Sequence[Factory]"
"""Candidates of a layer choice: factories by name, or a list of factories."""


def named(label: str, candidates: Candidates) -> dict[str | int, Factory]:
    """Return candidates by name; a list is named by classes, or by positions if these are not distinct.

    Raises:
        SpaceError: If `candidates` is empty, one is neither a module nor callable, or a name contains "/".
    """
    if isinstance(candidates, Mapping):
        factories: dict[str | int, Factory] = {**candidates}
    else:
        listed = list(candidates)
        names: list[Any] = [_name(factory) for factory in listed]
        if None in names or len(set(names)) < len(names):
            names = list(range(len(listed)))
        factories = dict(zip(names, listed, strict=True))
    if not factories:
        msg = (
            f"layer_choice({label!r}) needs at least one candidate. "
            "Give factories by name, {'relu': nn.ReLU}, or a list of factories."
        )
        raise SpaceError(msg)
    for name, factory in factories.items():
        if isinstance(name, str) and "/" in name:
            msg = f"Candidate {name!r} of '{label}' has '/' in its name, which separates scopes. Rename it."
            raise SpaceError(msg)
        if not callable(factory):
            msg = (
                f"Candidate {name!r} of '{label}' must be a module or a function that makes one, "
                f"got {factory!r}. For a skip use nn.Identity."
            )
            raise SpaceError(msg)
    return factories


def construct(label: str, name: str | int, factory: Factory) -> nn.Module:
    """Make the module of a candidate.

    Raises:
        SpaceError: If `factory` fails, or does not return a module.
    """
    if isinstance(factory, nn.Module):
        return copy.deepcopy(factory)
    try:
        module = factory()
    except RetiaError:
        raise
    except Exception as error:
        msg = (
            f"Candidate {name!r} of '{label}' can't be built: {type(error).__name__}: {error}. "
            "Give a function without arguments that makes it, such as lambda: nn.Linear(8, 8)."
        )
        raise SpaceError(msg) from error
    if not isinstance(module, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
        msg = (
            f"Candidate {name!r} of '{label}' must make a torch.nn.Module, got {module!r}. "
            "For a skip use nn.Identity."
        )
        raise SpaceError(msg)
    return module


def _name(factory: Factory) -> str | None:
    if isinstance(factory, nn.Module):
        return type(factory).__name__
    name = getattr(factory, "__name__", None)
    return None if name == "<lambda>" else name
