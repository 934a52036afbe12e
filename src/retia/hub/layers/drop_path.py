"""Drop path: a branch that is zeroed for random samples."""

import torch
from torch import Tensor, nn

from retia.errors import SpaceError

__all__ = ["DropPath", "require_rate"]


class DropPath(nn.Module):
    """Zero the output of a branch for random samples in training.

    The other samples are divided by `1 - rate`, which keeps the mean.

    Attributes:
        rate: Probability of a sample to be zeroed; a training loop may change it at any time.

    Reference:
        Larsson et al., FractalNet: Ultra-Deep Neural Networks without Residuals, ICLR 2017, section 3.
        Deviation: samples are independent, as in DARTS, and all branches of a sample may be zeroed.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, ...) to the same shape."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty(len(x), *(1,) * (x.ndim - 1), dtype=x.dtype, device=x.device)  # (B, 1, ..., 1)
        return x * kept.bernoulli_(1 - self.rate) / (1 - self.rate)

    def extra_repr(self) -> str:
        """Show the rate."""
        return f"rate={self.rate}"


def require_rate(name: str, rate: float) -> float:
    """Return a rate that is at least 0 and below 1.

    Raises:
        SpaceError: If `rate` is out of range.
    """
    if not 0 <= rate < 1:
        msg = f"{name} is a rate of at least 0 and below 1, got {rate}."
        raise SpaceError(msg)
    return rate
