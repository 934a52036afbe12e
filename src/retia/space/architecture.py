"""An architecture: one value for each active parameter; immutable, hashable, JSON."""

import hashlib
import html
import json
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Self

from retia.space.value import Value, freeze
from retia.visible import visible

__all__ = ["Architecture"]


class Architecture(Mapping[str, Value]):
    """An immutable mapping from labels to values.

    Two architectures are equal if they hold the same values, in any order.

    >>> a = Architecture({"width": 16, "kernel": 3})
    >>> a == Architecture({"kernel": 3, "width": 16}), a["width"]
    (True, 16)
    >>> a.to_json()
    '{"kernel":3,"width":16}'
    >>> a.key
    '4c9fba9cbc4c5893'

    Raises:
        SpaceError: If a value is not a JSON scalar or a tuple of JSON scalars.
    """

    __slots__ = ("_hash", "_key", "_values")

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values: dict[str, Value] = {label: freeze(value) for label, value in values.items()}
        self._hash: int | None = None
        self._key: str | None = None

    @classmethod
    def trusted(cls, values: dict[str, Value]) -> Self:
        """Wrap frozen values without a copy; the caller must not use the dictionary again."""
        architecture = cls.__new__(cls)
        architecture._values = values
        architecture._hash = None
        architecture._key = None
        return architecture

    @property
    def unwrapped(self) -> Mapping[str, Value]:
        """The dictionary of the values, several times as fast to read. Do not change it."""
        return self._values

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the text that `to_json` wrote."""
        return cls(json.loads(text))

    def to_json(self) -> str:
        """Return the canonical JSON: sorted labels, no spaces."""
        return json.dumps(self._values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def key(self) -> str:
        """A hash of the canonical JSON: 16 hexadecimal digits, stable across processes and versions."""
        if self._key is None:
            self._key = hashlib.blake2b(self.to_json().encode(), digest_size=8).hexdigest()
        return self._key

    def __getitem__(self, label: str) -> Value:
        return self._values[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, label: object) -> bool:
        return label in self._values

    # The views of a dictionary are several times as fast as those of Mapping.
    def keys(self) -> KeysView[str]:
        """The labels."""
        return self._values.keys()

    def values(self) -> ValuesView[Value]:
        """The values."""
        return self._values.values()

    def items(self) -> ItemsView[str, Value]:
        """The pairs of label and value."""
        return self._values.items()

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._values.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Architecture):
            return self._values == other._values
        if isinstance(other, Mapping):
            return self._values == other
        return NotImplemented

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Value]]]:
        return type(self), (self._values,)

    def __repr__(self) -> str:
        return f"Architecture({self._values!r})"

    def __str__(self) -> str:
        rows = [(visible(label), visible(str(value))) for label, value in self._values.items()]
        width = max((len(label) for label, _ in rows), default=0)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(visible(label))}</td><td>{html.escape(visible(str(value)))}</td></tr>"
            for label, value in self._values.items()
        )
        return f"<table><tr><th>parameter</th><th>value</th></tr>{rows}</table>"
