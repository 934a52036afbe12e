"""Settings that look as if they were searched, and would be frozen."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, cast

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
        if isinstance(what, FunctionType | MethodType | partial) or "function" in getattr(
            what, "__dict__", {}
        ):
            key = name if name.isidentifier() else "setting"
            remedy = (
                f"Name the setting where it is searched: retia.evaluator(fit, {key}={as_code(domain)}), "
                "which hands its values over as keywords."
            )
        msg = f"{where} is {domain}, which no search sees, so it would stay the same in all trials. {remedy}"
        raise error(msg)


def _frozen(what: Any, searched: Collection[str] = ()) -> Iterator[tuple[str, str, Domain]]:
    """Yield where a choice or a domain is, a name for it, and the domain; settings that are searched are left
    out.
    """
    if isinstance(what, partial):
        given = {**{f"argument {i}": value for i, value in enumerate(what.args)}, **what.keywords}
        yield from _in_settings(f"functools.partial({getattr(what.func, '__name__', what.func)})", given)
        yield from _frozen(what.func)
    elif isinstance(what, MethodType):
        yield from _frozen(what.__func__)
        yield from _frozen(what.__self__, searched)
    elif isinstance(what, FunctionType):
        yield from _in_settings(f"{what.__qualname__}()", _bound_values(what))
        for where, stray in strays_of(what):
            place = f"The choice '{stray.label}' made at {stray.place} and used {where}"
            yield place, stray.label, stray.domain
    elif is_dataclass(what) and not isinstance(what, type):
        settings = {field.name: getattr(what, field.name) for field in fields(what) if field.init}
        own = {name: value for name, value in settings.items() if name != "function"}
        yield from _in_settings(type(what).__name__, own, searched)
        for name, value in settings.items():
            for part in value if isinstance(value, tuple | list) else (value,):
                if is_dataclass(part) or name == "function":
                    yield from _frozen(part, searched)
    elif not isinstance(what, type | ModuleType):
        own = dict(getattr(what, "__dict__", {}))
        function = own.pop("function", None)
        yield from _in_settings(type(what).__name__, own, searched)
        if isinstance(function, FunctionType | MethodType | partial):
            yield from _frozen(function)


def _bound_values(function: FunctionType) -> dict[str, Any]:
    """Return the defaults of a function's arguments, and the values of the variables around it that it
    uses, by name.
    """
    code = function.__code__
    defaults = function.__defaults__ or ()
    arguments = code.co_varnames[: code.co_argcount]
    around: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            around[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    given = dict(zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True))
    return {**around, **given, **(function.__kwdefaults__ or {})}


def _in_settings(
    owner: str, settings: Mapping[str, Any], searched: Collection[str] = ()
) -> Iterator[tuple[str, str, Domain]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            named = {str(key): one for key, one in cast("Mapping[Any, Any]", value).items()}
            yield from _in_settings(owner, named, searched)
            continue
        for stray in strays_in(value):
            yield (
                f"'{name}' of {owner} (the choice '{stray.label}' made at {stray.place})",
                name,
                stray.domain,
            )
        for one in cast("Iterable[Any]", value) if isinstance(value, tuple | list) else (value,):
            if isinstance(one, _DOMAINS) and name not in searched:
                yield f"'{name}' of {owner}", name, one
