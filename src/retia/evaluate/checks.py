"""Looking at the inputs of a model before anything is trained."""

import torch

from retia.errors import EvaluationError
from retia.nn import Nest, tensors_of

__all__ = ["check_inputs"]

_NO_INPUTS = (torch.uint8, torch.int8, torch.int16)


def check_inputs(name: str, inputs: Nest) -> None:
    """Check that inputs are what a model takes: floats, the indices of an embedding, or, beside others, a
    mask.

    Raises:
        EvaluationError: If they are of another type, such as the bytes of an image.
    """
    tensors = list(tensors_of(inputs))
    for tensor in tensors:
        if tensor.dtype in _NO_INPUTS or (tensor.dtype == torch.bool and len(tensors) == 1):
            msg = (
                f"The inputs of '{name}' are floats, or int64 indices for an embedding, "
                f"got {str(tensor.dtype).removeprefix('torch.')}. "
                f"Convert them, such as x.float() / 255 for the bytes of an image."
            )
            raise EvaluationError(msg)
