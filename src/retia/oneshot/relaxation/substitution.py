"""Other tensors in the place of a model's parameters, for a while."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["substituted"]


@contextmanager
def substituted(model: nn.Module, replacements: Iterable[tuple[nn.Parameter, Tensor]]) -> Generator[None]:
    """Let a model compute with other tensors inside, to which gradients flow, wherever it holds these
    parameters.

    `torch.func.functional_call` reads a tensor by its attribute, which for an elastic layer is the part in
    use; this replaces the full one.
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
                _list_anew(module)
        yield
    finally:
        for own, name, parameter in before:
            own[name] = parameter
        for module in recurrent:
            _list_anew(module)


def _list_anew(module: nn.RNNBase) -> None:
    """Let a recurrent layer, which keeps a list of its weights, list those that it holds now."""
    if "_flat_weights" in vars(module):
        module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]  # pyright: ignore[reportAttributeAccessIssue]
