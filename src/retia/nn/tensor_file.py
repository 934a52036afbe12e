"""Files of tensors: safetensors with a checksum, so that damage is detected."""

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
    """Write tensors and a text atomically.

    Args:
        path: File to write; its folder is made.
        tensors: Tensors by name.
        text: Text that is stored with the tensors. Default: empty.
    """
    own = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each process has a file of its own, for another process may be taken for dead while it still writes.
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file(own, part, metadata={_TEXT: text, _CHECKSUM: _checksum(own, text)})
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def read_tensors(path: Path, what: str, remedy: str) -> tuple[dict[str, Tensor], str]:
    """Read the tensors and the text of a file; files of other programs have no checksum to verify.

    Args:
        path: File to read.
        what: Expected content, with an article, for the error.
        remedy: Sentence that says what to do, for the error.

    Raises:
        StorageError: If the file can't be read, is not a safetensors file, or is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # the file is not a mapping
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        msg = f"'{path}' should be {what}, and can't be read: {type(error).__name__}: {error}. {remedy}"
        raise StorageError(msg) from error
    text = metadata.get(_TEXT, "")
    if metadata.keys() & {_TEXT, _CHECKSUM} and metadata.get(_CHECKSUM) != _checksum(tensors, text):
        msg = f"'{path}' is damaged: its checksum differs from that of the written tensors. {remedy}"
        raise StorageError(msg)
    return tensors, text


def write_weights(path: Path, model: nn.Module) -> None:
    """Write the weights of a model; a tensor with several names is written once."""
    kept: dict[object, str] = {}
    state = model.state_dict()
    for name, tensor in state.items():
        kept.setdefault(_memory(tensor) if tensor.numel() else name, name)
    write_tensors(path, {name: state[name] for name in kept.values()})


def load_weights(path: Path, model: nn.Module) -> None:
    """Load the weights of a file into a model.

    Raises:
        StorageError: If the file can't be read or is damaged.
        RuntimeError: If the names or shapes of its tensors differ from those of the model.
    """
    remedy = "Train the model again, or take another file."
    tensors, _ = read_tensors(path, "a safetensors file of a model's weights", remedy)
    there = {_memory(tensor) for name, tensor in model.state_dict().items() if name in tensors}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    state = model.state_dict()
    missing = [name for name in missing if _memory(state[name]) not in there]
    if missing or unexpected:
        msg = f"the tensors {missing} are missing and {unexpected} are unexpected"
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
