"""A trained supernet in the folder of the study that trained it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor

from retia.errors import SpaceError, StorageError, StudyError
from retia.nn import ModelSpace, read_checkpoint
from retia.space import SearchSpace
from retia.supernet import Supernet

__all__ = ["SUPERNET", "load_supernet", "storable"]

SUPERNET = "supernet.safetensors"
"""The name of the file with a supernet and the state of its training."""


class PreparedStudy(Protocol):
    """A study as `load_supernet` reads it: its space, its method and the folder of the method."""

    space: SearchSpace

    @property
    def prepared_by(self) -> Mapping[str, Any] | None:
        """The method as JSON; None if no method prepared the study."""
        ...

    @property
    def prepared_directory(self) -> Path:
        """The folder of what the method kept."""
        ...


def load_supernet(
    study: PreparedStudy, space: ModelSpace, *, example: Any = None, device: str | None = None
) -> Supernet:
    """Open the supernet that a one-shot search has trained, in evaluation mode.

    Batch-norm statistics are those of the training. Call `recalibrate` after each `activate` before a score
    is measured, or make a `SupernetEvaluator`, which does so.

    Args:
        study: The study, which may come from `Study.open`.
        space: The space that the study searched.
        example: Inputs of the model, as for `Supernet`. Default: those that the training used, which are
            stored if they are tensors in lists, tuples or dictionaries.
        device: The device of the weights. Default: the CPU.

    Raises:
        StudyError: If no one-shot method prepared the study, its supernet is not there or not fully trained,
            no example is stored and `example` is None, or the folder holds another study's files.
        SpaceError: If `space` is not the space of the study.
        StorageError: If the file can't be read or is damaged, or the model's code has changed.
    """
    if study.prepared_by is None:
        msg = (
            f"{study!r} was not prepared by a one-shot method, so it has no supernet. "
            "Give a study that was run with one, such as retia.oneshot.SPOS()."
        )
        raise StudyError(msg)
    if difference := _difference(study.space, space):
        msg = f"{space.name} is not the space of {study!r}: {difference}. Give the space of the study."
        raise SpaceError(msg)
    path = study.prepared_directory / SUPERNET
    if not path.exists():
        msg = (
            f"{study!r} has no trained supernet (looked for '{path}'). Run the study to train it, "
            "or make the study with the storage= and directory= that it was run with."
        )
        raise StudyError(msg)
    state, identity = read_checkpoint(path)
    if (done := len(state["reported"])) < identity["epochs"]:
        msg = (
            f"The training of the supernet '{path}' was cut off after epoch {done} of {identity['epochs']}. "
            "Run the study again, which finishes the training."
        )
        raise StudyError(msg)
    if example is None and (example := state["example"]) is None:
        msg = (
            f"The inputs of the model are not stored with the supernet '{path}', as they are not tensors in "
            "lists, tuples or dictionaries. Give them: example=..."
        )
        raise StudyError(msg)
    supernet = Supernet(space, example=example, device="cpu", seed=0)
    try:
        supernet.load_state_dict(state["supernet"])
    except RuntimeError as error:
        msg = (
            f"The supernet '{path}' does not fit {space.name}: {error}. The code of the model may have "
            "changed. Restore it, or train the supernet again under another name."
        )
        raise StorageError(msg) from error
    return supernet.to(device or "cpu").eval()


def storable(inputs: Any) -> Any:
    """Return inputs of a model as they are if a checkpoint can hold them, and None otherwise."""
    return inputs if _is_storable(inputs) else None


def _is_storable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_storable(one) for key, one in _items(value))
    if type(value) in (list, tuple):
        return all(map(_is_storable, value))
    return value is None or isinstance(value, Tensor | bool | int | float | str)


def _items(mapping: Any) -> list[tuple[Any, Any]]:
    return list(cast("Mapping[Any, Any]", mapping).items())


def _difference(theirs: SearchSpace, given: SearchSpace) -> str | None:
    """Return the first difference between the parameters of two spaces, in words; None if they agree."""
    there, here = (space.to_json()["parameters"] for space in (theirs, given))
    for label in dict.fromkeys((*there, *here)):
        if there.get(label) != here.get(label):
            return f"'{label}' is {there.get(label)} in the study, and {here.get(label)} here"
    return None
