"""The choice and the lines of a constructor that a difference comes from."""

import linecache
import sys
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch import nn
from torch.nn.modules import module as registration

from retia.errors import RetiaError
from retia.nn import ModelSpace
from retia.space import Architecture, Tracer, Value, greatest

__all__ = ["cause", "culprit", "unfollowed"]


def culprit(
    space: ModelSpace, architecture: Architecture, differs: Callable[[Architecture], bool]
) -> str | None:
    """Return the first parameter whose value makes the supernet differ from a model built alone.

    Args:
        space: Space of the models.
        architecture: Architecture for which they differ.
        differs: Function that tells whether they differ for another architecture. Architectures for which it
            raises a `RetiaError` are skipped.
    """
    values: dict[str, Value] = {
        label: greatest(parameter.domain) for label, parameter in space.parameters.items()
    }
    for label in architecture:
        values[label] = architecture[label]
        try:
            if differs(space.canonical(values)):
                return label
        except RetiaError:
            continue
    return None


def unfollowed(label: str | None) -> str:
    """Return the sentence that something does not follow a choice; "" if the choice is not known."""
    return f" It does not follow the choice '{label}'." if label else ""


def cause(space: ModelSpace, path: str | None, label: str | None, name: str | None = None) -> str:
    """Return sentences about the lines that forget a choice and make a module or tensor; "" if not known.

    This runs the constructor again, so call it only to describe an error.

    Args:
        space: Space of the models.
        path: Path of the module; None if it is not known.
        label: Label of the choice; None if it is not known.
        name: Name of the module's tensor; None to describe the module.
    """
    tracer = _LineTracer()
    with tracer.registrations():
        model = space.assemble(space.traced_on, seed=0, tracer=tracer)
    chain: list[nn.Module] = [] if path is None else [model]  # the module, after all that contain it
    for part in path.split(".") if path else ():
        child = chain[-1]._modules.get(part)
        if child is None:
            break
        chain.append(child)
    lost = tracer.conversion([id(module) for module in reversed(chain)], label)
    sentences = [f" The choice becomes a plain value here: {lost}."] if lost else []
    if path is not None:
        owner, _, attribute = path.rpartition(".")
        places = [(path, name), (owner, attribute)] if name else [(owner, attribute)]
        modules = dict(model.named_modules(remove_duplicate=False))
        lines = (tracer.made.get((id(modules.get(owner)), attribute)) for owner, attribute in places)
        made = next(filter(None, lines), None)
        if made and made != (lost or "").partition(" (")[0]:
            sentences.append(f" It is made in {made}.")
    return "".join(sentences)


class _LineTracer(Tracer):
    """Tracer that also records the lines that convert choices to plain values, and that register members."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[tuple[int, str | None], str] = {}
        self._plain: list[tuple[frozenset[str], str, int | None]] = []
        self._compared: list[tuple[frozenset[str], str]] = []

    def conversion(self, modules: Collection[int], label: str | None) -> str | None:
        """Return the first line in the constructor of the innermost module that makes a choice plain."""
        for module in (*modules, None):
            for labels, line, owner in self._plain:
                if label in labels and owner == module:
                    return line
        # Most comparisons are harmless, so they are blamed only where no module is known.
        return None if modules else next((line for labels, line in self._compared if label in labels), None)

    def note_branch(self, labels: Collection[str]) -> None:
        """Record the line of the model's own code that compares a value."""
        super().note_branch(labels)
        frame = _outside(sys._getframe(2))
        if frame is not None:
            self._compared.append((frozenset(labels), f"{_line(frame)} (an if or a comparison)"))

    def note_plain(self, labels: Collection[str], how: str) -> None:
        """Record the line that makes a plain value."""
        frame = sys._getframe(2)  # the caller of the symbolic value's method
        if _is_library(frame):
            return
        while frame.f_back is not None and not _is_constructor(frame) and not _is_library(frame.f_back):
            frame = frame.f_back
        owner = id(frame.f_locals.get("self")) if _is_constructor(frame) else None
        self._plain.append((frozenset(labels), f"{_line(frame)} ({how})", owner))

    @contextmanager
    def registrations(self) -> Generator[None]:
        """Record, inside the context, the lines that register tensors and modules."""

        def record(module: nn.Module, name: str, value: Any) -> None:
            del value
            frame = _outside(sys._getframe(1))
            if frame is not None:
                self.made[id(module), name] = _line(frame)

        handles = [
            registration.register_module_module_registration_hook(record),
            registration.register_module_buffer_registration_hook(record),
            registration.register_module_parameter_registration_hook(record),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _outside(frame: FrameType | None) -> FrameType | None:
    """Return the nearest frame outside of torch and this library."""
    while frame is not None and _is_library(frame):
        frame = frame.f_back
    return frame


def _is_constructor(frame: FrameType) -> bool:
    own = frame.f_code.co_name == "__init__" and isinstance(frame.f_locals.get("self"), nn.Module)
    return own and not _is_library(frame)


def _is_library(frame: FrameType) -> bool:
    """Return whether a line belongs to torch or this library."""
    return frame.f_globals.get("__name__", "").partition(".")[0] in ("torch", "retia")


def _line(frame: FrameType) -> str:
    code = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    module = frame.f_globals.get("__name__", frame.f_code.co_filename)
    return f"{module}, line {frame.f_lineno}" + (f": {code}" if code else "")
