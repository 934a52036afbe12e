"""Temporary replacement of a model's parameters by other tensors."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["substituted"]


@contextmanager
def substituted(model: nn.Module, replacements: Iterable[tuple[nn.Parameter, Tensor]]) -> Generator[None]:
    """Replace parameters of a model by other tensors inside the context; gradients flow to these tensors.

    `torch.func.functional_call` does not work for an elastic layer, whose attribute is the active part of the
    tensor; this replaces the full tensor.

    Args:
        model: Model that holds the parameters, each possibly in several modules.
        replacements: Pairs of a parameter and its replacement, of the same shape.
    """
    by_id = {id(parameter): tensor for parameter, tensor in replacements}
    before: list[tuple[dict[str, Any], str, nn.Parameter]] = []
    recurrent: list[nn.RNNBase] = []
    try:
        for module in model.modules():
            own: dict[str, Any] = module._parameters
            for name, parameter in own.items():
                if id(parameter) in by_id:
                    before.append((own, name, parameter))
                    own[name] = by_id[id(parameter)]
            if isinstance(module, nn.RNNBase):
                recurrent.append(module)
                _refresh_weights(module)
        yield
    finally:
        for own, name, parameter in before:
            own[name] = parameter
        for module in recurrent:
            _refresh_weights(module)


def _refresh_weights(module: nn.RNNBase) -> None:
    """Update the list of weights that a recurrent layer keeps."""
    if "_flat_weights" in vars(module):
        module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]  # pyright: ignore[reportAttributeAccessIssue]
