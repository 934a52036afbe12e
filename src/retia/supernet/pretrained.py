"""The weights of a model built alone, in the part of the supernet that its architecture uses."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from retia.errors import SupernetError
from retia.space import Value
from retia.supernet.convolution import ElasticConvolution
from retia.supernet.supernet import Supernet
from retia.supernet.usage import refuse_mismatch

__all__ = ["load_pretrained"]


@torch.no_grad()
def load_pretrained(
    supernet: Supernet,
    model: nn.Module | Mapping[str, Tensor],
    architecture: Mapping[str, Value] | None = None,
) -> None:
    """Fill the part of a supernet that an architecture uses with the weights of its model.

    Everything else stays as it is. Once-for-all starts so: the largest model is trained alone, and the
    smaller ones inherit from it.

    Args:
        supernet: The supernet.
        model: A model of one of its architectures, or its `state_dict`.
        architecture: Which one; the activated one if not given. Which one is activated stays as it was.

    Raises:
        SupernetError: If the names or shapes are not those of the architecture, or a kernel is computed from
            a larger one by trained matrices.
        ArchitectureError: If the architecture is not one of the space.

    Reference:
        Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, ICLR 2020,
        section 3.4.
    """
    weights: Mapping[str, Any] = model.state_dict() if isinstance(model, nn.Module) else model
    with supernet.activated(architecture):
        parts = {use.name: use for use in supernet.parts()}
        refuse_mismatch(parts, weights, supernet.architecture)
        for name, use in parts.items():
            if (
                isinstance(use.module, ElasticConvolution)
                and use.tensor == "weight"
                and use.module.is_transformed(use.shape[2:])
            ):
                msg = (
                    f"'{name}' is computed from a larger kernel by matrices that have been trained "
                    "(kernel_transform), so it can't be set by itself. "
                    f"Load the weights before training, or those of an architecture with the largest kernels."
                )
                raise SupernetError(msg)
        for name, use in parts.items():
            use.write(weights[name])
