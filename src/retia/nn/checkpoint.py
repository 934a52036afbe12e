"""Checkpoints: the state of a training, as tensors and JSON in one safetensors file."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from retia.errors import StorageError
from retia.nn.tensor_file import read_tensors, write_tensors

__all__ = ["load_checkpoint", "read_checkpoint", "save_checkpoint"]

VERSION = 3
"""The version of the format."""

_REMEDY = "Remove it to train from the beginning, or give another directory."


def save_checkpoint(path: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: a complete file exists at any moment.

    Args:
        path: Path of the file.
        state: Tensors, numbers, strings, None, and lists, tuples and dicts of them, whose keys may be strings
            or ints.
        identity: Settings that the training depends on, as JSON.
    """
    tensors: dict[str, Tensor] = {}
    header = {"version": VERSION, "identity": identity, "state": _packed(state, tensors)}
    write_tensors(path, tensors, json.dumps(header))


def load_checkpoint(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read a checkpoint; None if there is no file.

    Raises:
        StorageError: If the file can't be read or is damaged, or its identity differs from `identity`.
    """
    if not path.exists():
        return None
    state, kept = read_checkpoint(path)
    if differences := list(_differences(kept, json.loads(json.dumps(identity)))):
        msg = (
            f"The checkpoint '{path}' is of another training: {'; '.join(differences)}. "
            f"Give another directory (or name of the study), or remove it to train from the beginning."
        )
        raise StorageError(msg)
    return state


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state and the identity of a checkpoint.

    Raises:
        StorageError: If the file can't be read or is damaged.
    """
    tensors, text = read_tensors(path, "a checkpoint of a training", _REMEDY)
    try:
        header = json.loads(text)
        version, kept, state = header["version"], header["identity"], header["state"]
        unpacked = _unpacked(state, tensors) if version == VERSION else {}
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        msg = (
            f"'{path}' should be a checkpoint of a training, but its description is not one: "
            f"{type(error).__name__}: {error}. {_REMEDY}"
        )
        raise StorageError(msg) from error
    if version != VERSION:
        msg = (
            f"The checkpoint '{path}' has version {version} of the format, and this retia reads {VERSION}. "
            f"{_REMEDY}"
        )
        raise StorageError(msg)
    return unpacked, kept


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"items": [[key, _packed(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_packed(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_packed(item, tensors) for item in value]
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        if "tuple" in value:
            return tuple(_unpacked(item, tensors) for item in value["tuple"])
        return {key: _unpacked(item, tensors) for key, item in value["items"]}
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    return value


def _differences(there: Any, here: Any, where: str = "") -> Iterator[str]:
    """Yield the differences of two JSON values, with their locations."""
    if (
        isinstance(there, dict)
        and isinstance(here, dict)
        and (not where or there.get("type") == here.get("type"))
    ):
        for key in dict.fromkeys([*here, *there]):
            yield from _differences(there.get(key), here.get(key), f"{where} {key}".strip())
    elif there != here:
        yield f"its {where} is {_brief(there)} and not {_brief(here)}"


def _brief(value: Any) -> str:
    text = json.dumps(value.get("type", value) if isinstance(value, dict) else value)
    return text if len(text) <= 100 else f"{text[:100]}..."
