"""Recorders: what a declaration returns depends on the recorder that is active while a constructor runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from retia.errors import SpaceError
from retia.space.condition import Condition
from retia.space.domain import Domain
from retia.space.expression import Call, Expression
from retia.space.label import qualified, valid_label
from retia.space.parameter import Parameter
from retia.space.place import Place
from retia.space.value import Value

__all__ = ["Builder", "Recorder", "active_recorder"]

_active: ContextVar["Recorder | None"] = ContextVar("recorder", default=None)


def active_recorder() -> "Recorder | None":
    """Return the recorder of this thread (or task), or None if no constructor is traced or built."""
    return _active.get()


class Recorder(ABC):
    """Answers the declarations of one run of a constructor."""

    def __init__(self) -> None:
        self._scopes: tuple[str, ...] = ()

    @contextmanager
    def recording(self) -> Generator[None]:
        """Make this the active recorder of the thread within the block."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    @contextmanager
    def scope(self, name: str) -> Generator[None]:
        """Prefix the labels declared inside with `name`; a leading "/" leaves the enclosing scopes."""
        outer = self._scopes
        self._scopes = qualified(outer, name)
        try:
            yield
        finally:
            self._scopes = outer

    def qualify(self, label: str) -> str:
        """Return the full name of a label in the present scope; a label that starts with "/" is a full name.

        Raises:
            SpaceError: If `label` is not a non-empty string, or contains a "/" without starting with one.
        """
        return "/".join(qualified(self._scopes, valid_label(label)))

    @contextmanager
    def given(self, condition: Condition) -> Generator[None]:
        """Make the declarations inside the block conditional."""
        del condition
        yield

    def note_branch(self, labels: Collection[str]) -> None:
        """Record that the caller's caller used the truth of a comparison of these parameters."""
        del labels

    def used_within(self, place: Place) -> Collection[str]:
        """Return the parameters whose truth was used last, if in the source of the instruction at `place`."""
        del place
        return ()

    def require(self, condition: Expression) -> bool:
        """Record a condition that the space must meet; return whether it can be recorded."""
        del condition
        return False

    def note_plain(self, labels: Collection[str], how: str) -> None:
        """Record that the constructor turned a value that depends on these parameters into a plain value."""
        del labels, how

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Call:
        """Return the expression of a function that is called here with terms."""
        return Call(function, arguments)

    @abstractmethod
    def declare(self, label: str, domain: Domain) -> Any:
        """Return the value of a parameter that is declared with its full name."""


class Builder(Recorder):
    """Answers with the values of one architecture."""

    def __init__(self, architecture: Mapping[str, Value], known: Mapping[str, Parameter]) -> None:
        super().__init__()
        self.architecture = architecture
        self._known = known
        self.asked: set[str] = set()

    def declare(self, label: str, domain: Domain) -> Value:
        """Return the architecture's value.

        Raises:
            SpaceError: If tracing did not find the label, or found it with another domain.
        """
        if label not in self.architecture:
            seen = (
                "exists in the space, but is not active in this architecture"
                if label in self._known
                else "was not seen when the space was traced"
            )
            msg = (
                f"The constructor asks for '{label}', which {seen}: {dict(self.architecture)}. "
                "Python's own control flow (if, range) over another choice decides whether it is declared, "
                "and tracing can't see through that. Use layer_choice or repeat, "
                "or let ModelSpace(..., explore=True) trace the constructor for every value."
            )
            raise SpaceError(msg)
        self.asked.add(label)
        value = self.architecture[label]
        if domain != self._known[label].domain and not domain.contains(value):
            msg = (
                f"'{label}' is {value!r} in this architecture, but the constructor now offers {domain}. "
                "A domain must not depend on another choice: give the choice its own label in each case."
            )
            raise SpaceError(msg)
        return value
