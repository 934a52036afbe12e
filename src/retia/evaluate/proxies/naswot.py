"""The overlap of activation patterns."""

from typing import Any

import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.evaluate.proxies.operations import Watched
from retia.evaluate.proxies.probe import Probe
from retia.nn import sample_count

__all__ = ["naswot"]

_ATEN = torch.ops.aten
_RECTIFIERS = frozenset(
    getattr(_ATEN, name)
    for kind in ("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "hardswish")
    for name in (kind, f"{kind}_")
) | {_ATEN._prelu_kernel}
_CLIPPED = frozenset({_ATEN.hardtanh, _ATEN.hardtanh_})


def naswot(probe: Probe) -> float:
    """Return log |det K|, with the kernel K of the activation patterns of the samples.

    K_ij is the number of rectifiers that are on for both samples i and j, or off for both. A rectifier is on
    where its input is positive. The model is in training mode. The score is -inf if two samples have the same
    pattern.

    Raises:
        EvaluationError: If the model has no rectifier whose input has a row for each sample.

    Reference:
        Mellor et al., Neural Architecture Search without Training, ICML 2021, section 3. Deviations: ReLUs
        are found as they are computed, so that `torch.relu` counts like `nn.ReLU`, where the authors' code
        sees modules alone; ReLU6, leaky and parametric ReLU, ELU, GELU, SiLU, Mish and hard swish are read by
        the sign of their inputs as well, where the paper has ReLU only.
    """
    batch = sample_count(probe.batch, probe.training.targets)
    agreements: list[Tensor] = []

    def listen(operation: Any, args: tuple[Any, ...]) -> None:
        if operation in _RECTIFIERS or (operation in _CLIPPED and len(args) > 1 and args[1] == 0):
            x = args[0]
            if x.ndim > 1 and len(x) == batch:
                agreements.append(_agreements(x))

    with torch.no_grad(), Watched(before=listen):
        probe.run()
    if not agreements:
        msg = (
            "naswot compares which rectifiers are on, but the model computes none (ReLU and its kin) with a "
            "row for each sample. "
            "Leave it out of 'proxies', or give the model such an activation."
        )
        raise EvaluationError(msg) from LookupError("no rectifiers")
    kernel = torch.stack([one.double().cpu() for one in agreements]).sum(0)
    return float(torch.linalg.slogdet(kernel).logabsdet)


def _agreements(x: Tensor) -> Tensor:
    """Return for every two rows in how many places they have the same sign, (B, ...) to (B, B)."""
    signs = torch.where(x.flatten(1) > 0, 1.0, -1.0)  # (B, N)
    return (signs @ signs.T + signs.shape[1]) / 2
