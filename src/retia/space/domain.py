"""Domains: the legal values of one parameter, as frozen dataclasses of JSON scalars."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from retia.errors import SpaceError
from retia.space.categorical import Categorical
from retia.space.integer import Integer
from retia.space.real import Real
from retia.space.subset import Subset
from retia.space.value import freeze

__all__ = ["Domain", "domain_from_json"]

Domain: TypeAlias = Categorical | Integer | Real | Subset
"""The legal values of one parameter."""

_KINDS: dict[str, type[Domain]] = {
    "categorical": Categorical,
    "integer": Integer,
    "real": Real,
    "subset": Subset,
}


def domain_from_json(data: Mapping[str, Any]) -> Domain:
    """Read the object that a domain's `to_json` wrote.

    >>> stored = {"type": "integer", "low": 1, "high": 9, "step": 2, "log": False, "default": 3}
    >>> print(domain_from_json(stored))
    1..9 step 2

    Raises:
        SpaceError: If this version does not know its type.
    """
    kind = _KINDS.get(data["type"])
    if kind is None:
        msg = (
            f"A domain is one of {list(_KINDS)}, got {data['type']!r}. Was it written by a newer version of "
            "retia?"
        )
        raise SpaceError(msg)
    fields = {name: value for name, value in data.items() if name != "type"}
    for name in ("values", "items"):
        if name in fields:
            fields[name] = freeze(fields[name])
    return kind(**fields)
