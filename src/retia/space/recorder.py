"""Who listens while a constructor runs: the recorder decides what a declaration returns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from retia.errors import SpaceError
from retia.space.condition import Condition
from retia.space.domain import Domain
from retia.space.expression import Call
from retia.space.value import Value

__all__ = ["Builder", "Recorder", "active_recorder"]

_active: ContextVar["Recorder | None"] = ContextVar("recorder", default=None)


def active_recorder() -> "Recorder | None":
    """Return the recorder of this thread (or task), if a constructor is being traced or built."""
    return _active.get()


class Recorder(ABC):
    """Answers the declarations of one run of a constructor."""

    def __init__(self) -> None:
        self._scopes: list[str] = []

    @contextmanager
    def recording(self) -> Generator[None]:
        """Be the active recorder of this thread."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    @contextmanager
    def scope(self, name: str) -> Generator[None]:
        """Put the labels declared inside below `name`."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def qualify(self, label: str) -> str:
        """Return the full name of a label in the present scope.

        Raises:
            SpaceError: If the label is no non-empty string.
        """
        if not isinstance(label, str) or not label:  # pyright: ignore[reportUnnecessaryIsInstance]  # users err
            msg = f"A label is a non-empty string, got {label!r}. The label comes first: choice('width', [16, 32])."
            raise SpaceError(msg)
        return "/".join((*self._scopes, label))

    @contextmanager
    def given(self, condition: Condition) -> Generator[None]:
        """Declare inside what exists only while the condition holds."""
        del condition
        yield

    def note_branch(self, labels: Collection[str]) -> None:
        """Take note that the constructor compared a value of these parameters."""
        del labels

    def note_plain(self, labels: Collection[str], how: str) -> None:
        """Take note that the constructor made a plain value of one that depends on these parameters."""
        del labels, how

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Call:
        """Return the expression of a function that is called here with terms."""
        return Call(function, arguments)

    @abstractmethod
    def declare(self, label: str, domain: Domain) -> Any:
        """Answer the declaration of a parameter, by its full name."""


class Builder(Recorder):
    """Answers with the values of one architecture."""

    def __init__(self, architecture: Mapping[str, Value], known: Collection[str]) -> None:
        super().__init__()
        self._architecture = architecture
        self._known = known
        self.asked: set[str] = set()

    def declare(self, label: str, domain: Domain) -> Value:
        """Return the architecture's value.

        Raises:
            SpaceError: If tracing did not see the label, or not with this domain.
        """
        if label not in self._architecture:
            seen = "exists in the space, but is not active in this architecture" if label in self._known else "was not seen when the space was traced"
            msg = (
                f"The constructor asks for '{label}', which {seen}: {dict(self._architecture)}. Python's own control flow (if, range) over another "
                f"choice decides whether it is declared, and tracing can't see through that. Use layer_choice or repeat, "
                f"or let ModelSpace(..., explore=True) trace the constructor for every value."
            )
            raise SpaceError(msg)
        self.asked.add(label)
        value = self._architecture[label]
        if not domain.contains(value):
            msg = (
                f"'{label}' is {value!r} in this architecture, but the constructor now offers {domain}. A domain must not depend on another "
                f"choice: give the choice a label of its own in each case."
            )
            raise SpaceError(msg)
        return value
