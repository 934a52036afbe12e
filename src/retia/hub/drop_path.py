"""Drop path: a branch that is left out of some samples."""

import torch
from torch import Tensor, nn

__all__ = ["DropPath"]


class DropPath(nn.Module):
    """Zero a branch's output for whole samples, drawn with probability `rate` in training, and scale the
    others to keep its mean.

    Attributes:
        rate: The probability, which a training loop may change at any time.

    Reference:
        Larsson et al., FractalNet: Ultra-Deep Neural Networks without Residuals, ICLR 2017, section 3.
        Deviation: each sample is drawn for itself, as DARTS does, and no branch is kept for the sake of the
        others.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, ...) to the same shape."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty(x.shape[0], *(1,) * (x.ndim - 1), dtype=x.dtype, device=x.device).bernoulli_(
            1 - self.rate
        )  # (B, 1, ..., 1)
        return x * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        """Show the rate."""
        return f"rate={self.rate}"
