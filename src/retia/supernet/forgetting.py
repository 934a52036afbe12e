"""Where a constructor forgets a choice: the lines that make a plain value of it, and those that make a module
or tensor.
"""

import linecache
import sys
from collections.abc import Collection, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch import nn
from torch.nn.modules import module as registration

from retia.nn import ModelSpace
from retia.space import Tracer

__all__ = ["cause"]


def cause(space: ModelSpace, path: str | None, label: str | None, name: str | None = None) -> str:
    """Say which lines of the constructor forget a choice and make a module or tensor, as sentences; "" if no
    line is known.

    The constructor is run once more, so this is for an error alone.

    Args:
        space: The space.
        path: The path of the module; None if no module is known.
        label: The choice; None if no choice is known.
        name: The name of the module's tensor, if the tensor is meant.
    """
    tracer = _Watching()
    with tracer.watching():
        model = space.assemble(space.traced_on, seed=0, tracer=tracer)
    chain: list[nn.Module] = [] if path is None else [model]  # the module and those that it is in
    for part in path.split(".") if path else ():
        child = chain[-1]._modules.get(part)
        if child is None:
            break
        chain.append(child)
    found = tracer.plain_in([id(module) for module in reversed(chain)], label)
    sentences = [f" The choice becomes a plain value here: {found}."] if found else []
    if path is not None:
        full = f"{path}.{name}" if name else path
        owner, _, attribute = full.rpartition(".")
        places = (
            [(owner, attribute)]
            if not name
            else [(owner, attribute), (owner.rpartition(".")[0], owner.rpartition(".")[2])]
        )
        known = dict(model.named_modules(remove_duplicate=False))
        made = next(
            (
                place
                for owner, attribute in places
                if (place := tracer.made.get((id(known.get(owner)), attribute)))
            ),
            None,
        )
        if made and made != (found or "").partition(" (")[0]:
            sentences.append(f" It is made in {made}.")
    return "".join(sentences)


class _Watching(Tracer):
    """Notes where the constructor makes plain values of choices, and where it gives modules their tensors and
    modules.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[tuple[int, str], str] = {}
        self._plain: list[tuple[frozenset[str], str, int | None]] = []
        self._compared: list[tuple[frozenset[str], str]] = []

    def plain_in(self, modules: Collection[int], label: str | None) -> str | None:
        """Return the first place in the constructor of a module, or of the next one around it, that makes a
        plain value of a choice.
        """
        for module in (*modules, None):
            for labels, place, owner in self._plain:
                if label in labels and owner == module:
                    return place
        # A comparison is no loss in most places, so it is blamed only where no module is.
        return None if modules else next((place for labels, place in self._compared if label in labels), None)

    def note_branch(self, labels: Collection[str]) -> None:
        """Note the line of the model's own code from which a value is compared."""
        super().note_branch(labels)
        frame = _of_model(sys._getframe(2))
        if frame is not None:
            self._compared.append((frozenset(labels), f"{_place(frame)} (an if or a comparison)"))

    def note_plain(self, labels: Collection[str], how: str) -> None:
        """Note the line that makes a plain value."""
        frame = sys._getframe(2)  # past the method of the symbolic value
        if _is_ours(frame):
            return
        while frame.f_back is not None and not _is_constructor(frame) and not _is_ours(frame.f_back):
            frame = frame.f_back
        owner = id(frame.f_locals.get("self")) if _is_constructor(frame) else None
        self._plain.append((frozenset(labels), f"{_place(frame)} ({how})", owner))

    @contextmanager
    def watching(self) -> Generator[None]:
        """Note inside where modules are given their tensors and modules."""

        def note(module: nn.Module, name: str, value: Any) -> None:
            del value
            frame = _of_model(sys._getframe(1))
            if frame is not None:
                self.made[id(module), name] = _place(frame)

        handles = [
            registration.register_module_module_registration_hook(note),
            registration.register_module_buffer_registration_hook(note),
            registration.register_module_parameter_registration_hook(note),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _of_model(frame: FrameType | None) -> FrameType | None:
    """Return the nearest frame that is neither torch's nor this library's."""
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _is_constructor(frame: FrameType) -> bool:
    return (
        frame.f_code.co_name == "__init__"
        and isinstance(frame.f_locals.get("self"), nn.Module)
        and not _is_ours(frame)
    )


def _is_ours(frame: FrameType) -> bool:
    """Whether a line is torch's or this library's, and not of the model."""
    return frame.f_globals.get("__name__", "").partition(".")[0] in ("torch", "retia")


def _place(frame: FrameType) -> str:
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"{frame.f_globals.get('__name__', frame.f_code.co_filename)}, line {frame.f_lineno}" + (
        f": {line}" if line else ""
    )
