"""The networks of the table that ships with retia."""

from torch import Tensor, nn

from retia.nn import layer_choice, repeat
from retia.space import choice

__all__ = ["DigitsNet"]


class DigitsBlock(nn.Module):
    """An operation, a batch norm and an activation, optionally with a residual connection.

    Args:
        width: Number of channels C.
        activation: Name of the activation, "relu" or "silu".
        residual: Whether to add the input to the output.
    """

    def __init__(self, width: int, activation: str, *, residual: bool) -> None:
        super().__init__()
        self.operation = layer_choice(
            "operation",
            {
                "conv3": lambda: nn.Conv2d(width, width, 3, padding=1, bias=False),
                "conv1": lambda: nn.Conv2d(width, width, 1, bias=False),
                "separable3": lambda: nn.Sequential(
                    nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                    nn.Conv2d(width, width, 1, bias=False),
                ),
                "pool3": lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
            },
        )
        self.norm = nn.BatchNorm2d(width)
        self.activation = nn.ReLU() if activation == "relu" else nn.SiLU()
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, 4, 4) to (B, C, 4, 4)."""
        y = self.activation(self.norm(self.operation(x)))
        return x + y if self.residual else y


class DigitsNet(nn.Module):
    """A convolutional network for images of 8 x 8 pixels: 1,008 architectures of one to three blocks.

    Each block has its own operation; all blocks share the width, the activation and the residual connection.
    """

    def __init__(self) -> None:
        super().__init__()
        width = choice("width", [4, 8, 16], default=8)
        activation = choice("activation", ["relu", "silu"])
        residual = choice("residual", [False, True])
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.MaxPool2d(2))
        self.body = repeat("body", lambda i: DigitsBlock(width, activation, residual=residual), (1, 3))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, 1, 8, 8) to logits (B, 10)."""
        return self.head(self.body(self.stem(x)).mean((2, 3)))
