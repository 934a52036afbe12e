"""Comparison of the names and shapes of tensors: the supernet's and those of a model built alone."""

from collections.abc import Callable
from typing import Never

from torch import nn

from retia.errors import SupernetError
from retia.space import Architecture
from retia.supernet.assembly import named, where
from retia.supernet.check.subject import LOOP, REMEDY, Subject, tensors_of
from retia.supernet.elastic import layer_class
from retia.supernet.usage import Use

__all__ = ["compare_tensors", "refuse_run_of_surplus", "surplus_blame"]


def compare_tensors(subject: Subject, architecture: Architecture, alone: nn.Module) -> list[Use]:
    """Return the surplus: the tensors that the supernet uses and the model built alone lacks.

    Raises:
        SupernetError: If a shape differs, the supernet lacks a tensor, the `state_dict` holds more than
            tensors, or there is a surplus and no example to show whether it is run.
    """
    used, tensors = subject.activate(architecture), tensors_of(alone)
    for name, tensor in tensors.items():
        if name not in used:
            _refuse_missing(subject, architecture, alone, name)
        if used[name].shape != tuple(tensor.shape):
            _refuse_shape(subject, architecture, used[name], tuple(tensor.shape))
    _refuse_further_state(architecture, alone)
    surplus = [used[name] for name in used if name not in tensors]
    if surplus and subject.example is None:
        use = surplus[0]
        _refuse_optional(subject, architecture, alone, use)
        msg = (
            f"The supernet uses '{use.name}' of {subject.module_of(use)} for {dict(architecture)}, "
            "but the model built alone has no such tensor."
            f"{surplus_blame(subject, architecture, alone, use)} Stack blocks with retia.repeat, and choose "
            "layers with layer_choice. If the code makes modules in a loop and skips some in forward, "
            "give Supernet(..., example=...): then the check runs it and sees which ones."
        )
        raise SupernetError(msg)
    return surplus


def _refuse_missing(subject: Subject, architecture: Architecture, alone: nn.Module, name: str) -> Never:
    path, _, tensor = name.rpartition(".")
    blame = subject.blame(
        architecture,
        lambda one, model: name in tensors_of(model) and name not in subject.activate(one),
        path,
        tensor,
    )
    msg = (
        f"The model of {dict(architecture)} built alone has a tensor '{name}' in "
        f"{named(path, alone.get_submodule(path))}, which the supernet lacks.{blame} {REMEDY}"
    )
    raise SupernetError(msg)


def _refuse_shape(subject: Subject, architecture: Architecture, use: Use, shape: tuple[int, ...]) -> Never:
    def differs(one: Architecture, model: nn.Module) -> bool:
        tensor, found = tensors_of(model).get(use.name), subject.activate(one).get(use.name)
        return tensor is not None and found is not None and found.shape != tuple(tensor.shape)

    found = use.shape  # before another architecture is activated
    path, _, tensor = use.name.rpartition(".")
    msg = (
        f"'{use.name}' of {subject.module_of(use)} has the shape {found} in the supernet, "
        f"but {shape} in the model of {dict(architecture)} "
        f"built alone.{subject.blame(architecture, differs, path, tensor)} {REMEDY}"
    )
    raise SupernetError(msg)


def _refuse_further_state(architecture: Architecture, alone: nn.Module) -> None:
    """Reject entries of a `state_dict` that are not tensors, whose part for an architecture is not known."""
    tensors = tensors_of(alone)
    odd = next((name for name in alone.state_dict() if name not in tensors), None)
    if odd is not None:
        path = odd.rpartition(".")[0]
        msg = (
            f"The state_dict of the model of {dict(architecture)} built alone has '{odd}', "
            f"which is not a tensor of {named(path, alone.get_submodule(path))}: "
            "get_extra_state or a hook adds it, and a supernet can't know which part of it an architecture "
            "uses. Keep it in buffers, or use a multi-trial strategy."
        )
        raise SupernetError(msg)


def refuse_run_of_surplus(subject: Subject, architecture: Architecture, alone: nn.Module, use: Use) -> Never:
    """Raise the error for a module that the supernet runs and the model built alone lacks.

    Raises:
        SupernetError: Always.
    """
    _refuse_optional(subject, architecture, alone, use)
    msg = (
        f"The supernet runs {subject.module_of(use)} for {dict(architecture)}, which the model built alone "
        f"does not have.{surplus_blame(subject, architecture, alone, use)} {LOOP}"
    )
    raise SupernetError(msg)


def _refuse_optional(subject: Subject, architecture: Architecture, alone: nn.Module, use: Use) -> None:
    """Reject a tensor that a module has for some architectures only, if all architectures have the module."""
    path = use.name.rpartition(".")[0]
    if path not in dict(alone.named_modules(remove_duplicate=False)):
        return
    label = subject.culprit(architecture, _is_surplus(subject, use))
    slots = [s for s in subject.assembly.slots.all if s.owner is use.module and label in s.labels]
    decider = f" Its '{slots[0].name}'" if slots else " An argument or an if"
    following = f", and follows the choice {label!r}" if label else ""
    kind = layer_class(use.module).__name__
    msg = (
        f"{where(path)} ({kind}) has '{use.tensor}' in the supernet, "
        f"but not in the model of {dict(architecture)} built alone."
        f"{decider} decides whether the tensor exists{following}. A layer's tensors can't come "
        f"and go: choose between whole layers, as in retia.layer_choice({label or 'label'!r}, {{'with': "
        f"lambda: {kind}(...), 'without': lambda: {kind}(...)}}), "
        "give it a constant, or use a multi-trial strategy."
    )
    raise SupernetError(msg)


def surplus_blame(subject: Subject, architecture: Architecture, alone: nn.Module, use: Use) -> str:
    """Return sentences about the choice and the lines behind a surplus module."""
    return subject.blame(architecture, _is_surplus(subject, use), _outermost_absent(alone, use))


def _outermost_absent(alone: nn.Module, use: Use) -> str:
    """Return the path of the outermost module around a tensor that the model built alone lacks."""
    theirs = dict(alone.named_modules(remove_duplicate=False))
    parts = use.name.split(".")[:-1]
    paths = (".".join(parts[:i]) for i in range(1, len(parts) + 1))
    return next((path for path in paths if path not in theirs), ".".join(parts))


def _is_surplus(subject: Subject, use: Use) -> Callable[[Architecture, nn.Module], bool]:
    return lambda one, model: use.name in subject.activate(one) and use.name not in tensors_of(model)
