"""Weights of a model built alone, loaded into the part of a supernet that its architecture uses."""

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
    """Load the weights of an architecture's model into the part of a supernet that the architecture uses.

    All other weights keep their values. Once-for-all begins with this step: the largest model is trained
    alone, and the smaller ones inherit its weights.

    Args:
        supernet: Supernet that is changed.
        model: Model of one of its architectures, or its `state_dict`.
        architecture: Architecture of the model. Default None: the activated one. The activated architecture
            does not change.

    Raises:
        SupernetError: If the names or shapes are not those of the architecture, or a kernel is computed from
            a larger one by trained matrices.
        ArchitectureError: If `architecture` is not in the space.

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
                    "Load the weights before training, or those of an architecture with the largest kernels."
                )
                raise SupernetError(msg)
        for name, use in parts.items():
            use.write(weights[name])
