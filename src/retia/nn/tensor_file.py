"""Files of tensors: safetensors with a checksum, so that what has been damaged is noticed."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from retia.errors import StorageError

__all__ = ["load_weights", "read_tensors", "write_tensors", "write_weights"]

_TEXT, _CHECKSUM = "retia", "sha256"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], text: str = "") -> None:
    """Write tensors, and a text, so that at any moment there is a whole file.

    Args:
        path: The file, whose folder is made.
        tensors: The tensors by name.
        text: What else is to be kept.
    """
    own = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(
        f".{os.getpid()}.part"
    )  # of its own, should another process be thought dead and not be
    save_file(own, part, metadata={_TEXT: text, _CHECKSUM: _checksum(own, text)})
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def read_tensors(path: Path, what: str, remedy: str) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a file, and its text; of a file of others, without a checksum, as they are.

    Args:
        path: The file.
        what: What it should be, with an article.
        remedy: What to do if it is not.

    Raises:
        StorageError: If the file can't be read, is of another kind, or is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        msg = f"'{path}' should be {what}, and can't be read: {type(error).__name__}: {error}. {remedy}"
        raise StorageError(msg) from error
    text = metadata.get(_TEXT, "")
    if metadata.keys() & {_TEXT, _CHECKSUM} and metadata.get(_CHECKSUM) != _checksum(tensors, text):
        msg = f"'{path}' is damaged: its checksum differs from that of what was written. {remedy}"
        raise StorageError(msg)
    return tensors, text


def write_weights(path: Path, model: nn.Module) -> None:
    """Write the weights of a model; a tensor that it has under several names is written once."""
    kept: dict[object, str] = {}
    state = model.state_dict()
    for name, tensor in state.items():
        kept.setdefault(_memory(tensor) if tensor.numel() else name, name)
    write_tensors(path, {name: state[name] for name in kept.values()})


def load_weights(path: Path, model: nn.Module) -> None:
    """Load the weights of a file into a model.

    Raises:
        StorageError: If the file can't be read or is damaged.
        RuntimeError: If its tensors are not those of the model.
    """
    remedy = "Train the model again, or take another file."
    tensors, _ = read_tensors(path, "a safetensors file of a model's weights", remedy)
    there = {_memory(tensor) for name, tensor in model.state_dict().items() if name in tensors}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    state = model.state_dict()
    missing = [name for name in missing if _memory(state[name]) not in there]
    if missing or unexpected:
        msg = f"missing are {missing}, unexpected are {unexpected}"
        raise RuntimeError(msg)


def _memory(tensor: Tensor) -> object:
    return (
        tensor.device,
        tensor.dtype,
        tensor.untyped_storage().data_ptr(),
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
    )


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the SHA-256 of the text, and of the names, types, shapes and bytes of tensors."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())  # pyright: ignore[reportArgumentType]  # an array is a buffer
    return digest.hexdigest()
