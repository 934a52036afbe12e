"""The attributes that a run reads."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

__all__ = ["recorded_reads"]


@contextmanager
def recorded_reads(owners: Iterable[Any]) -> Generator[set[tuple[int, str]]]:
    """Record which attributes of objects are read inside the context, as pairs of id and attribute name.

    The objects belong to users: modules, configurations, frozen dataclasses. Python looks `__getattribute__`
    up in the class of an object and never in the object itself, and hooks see calls but no reads. So the
    class of each object is replaced by a recording subclass inside the context, past any `__setattr__`, and
    restored afterwards. An object whose class can't be replaced counts as read: `(id, "")`.
    """
    reads: set[tuple[int, str]] = set()

    def read(self: Any, name: str) -> Any:
        reads.add((id(self), name))
        return super(type(self), self).__getattribute__(name)

    replaced: list[tuple[Any, type]] = []
    for owner in owners:
        kind = type(owner)
        body = {"__getattribute__": read, "__module__": kind.__module__, "__slots__": ()}
        try:
            object.__setattr__(owner, "__class__", type(kind.__name__, (kind,), body))
        except TypeError:
            reads.add((id(owner), ""))
        else:
            replaced.append((owner, kind))
    try:
        yield reads
    finally:
        for owner, kind in replaced:
            object.__setattr__(owner, "__class__", kind)
