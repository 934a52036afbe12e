"""Settings that look as if they were searched, and would be frozen."""

from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType
from typing import Any

from retia.errors import RetiaError
from retia.space import Categorical, Domain, Integer, Real, Subset, as_code, strays_in, strays_of

__all__ = ["refuse_frozen"]

_DOMAINS = (Categorical, Integer, Real, Subset)


def refuse_frozen(what: Any, error: type[RetiaError], searched: Collection[str] = ()) -> None:
    """Refuse an evaluator or a strategy that holds a choice, or a domain that it does not search.

    Args:
        what: The evaluator or strategy; what it is made of is looked through as well.
        error: The class of the error.
        searched: Names of the settings that are searched.

    Raises:
        RetiaError: If there is one, as an `error`; the message says where and what to write.
    """
    for where, name, domain in _frozen(what, searched):
        remedy = "Give it a value."
        if isinstance(what, FunctionType | partial) or hasattr(what, "function"):
            key = name if name.isidentifier() else "setting"
            remedy = (
                f"Name the setting where it is searched: retia.evaluator(fit, {key}={as_code(domain)}), "
                "which hands its values over as keywords."
            )
        msg = f"{where} is {domain}, which no search sees, so it would stay the same in all trials. {remedy}"
        raise error(msg)


def _frozen(what: Any, searched: Collection[str] = ()) -> Iterator[tuple[str, str, Domain]]:
    """Yield where a choice or a domain is, a name for it, and the domain; not those of settings that are
    searched.
    """
    if isinstance(what, partial):
        given: dict[str, Any] = {
            **{f"argument {i}": value for i, value in enumerate(what.args)},
            **what.keywords,
        }
        yield from _in_settings(
            f"functools.partial({getattr(what.func, '__name__', what.func)})", given, domains=True
        )
        yield from _frozen(what.func)
    elif isinstance(what, FunctionType):
        names = what.__code__.co_varnames[: what.__code__.co_argcount][-len(what.__defaults__ or ()) :]
        defaults = {**dict(zip(names, what.__defaults__ or (), strict=False)), **(what.__kwdefaults__ or {})}
        yield from _in_settings(f"{what.__qualname__}()", defaults, domains=True)
        yield from (
            (f"The choice '{stray.label}' made at {stray.place} and used {where}", stray.label, stray.domain)
            for where, stray in strays_of(what)
        )
    elif is_dataclass(what) and not isinstance(what, type):
        settings = {field.name: getattr(what, field.name) for field in fields(what) if field.init}
        own = {name: value for name, value in settings.items() if name != "function" and name not in searched}
        yield from _in_settings(type(what).__name__, own, domains=True)
        for name, value in settings.items():
            for part in value if isinstance(value, tuple | list) else (value,):
                if is_dataclass(part) or name == "function":
                    yield from _frozen(part, searched)
    else:
        yield from _in_settings(type(what).__name__, getattr(what, "__dict__", {}), domains=False)
        if isinstance(function := getattr(what, "__dict__", {}).get("function"), FunctionType | partial):
            yield from _frozen(function)


def _in_settings(owner: str, settings: dict[str, Any], *, domains: bool) -> Iterator[tuple[str, str, Domain]]:
    for name, value in settings.items():
        for stray in strays_in(value):
            yield (
                f"'{name}' of {owner} (the choice '{stray.label}' made at {stray.place})",
                name,
                stray.domain,
            )
        if domains and isinstance(value, _DOMAINS):
            yield f"'{name}' of {owner}", name, value
