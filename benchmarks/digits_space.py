"""The problem of `oneshot_digits.py`: a small convolutional space, and little training on few handwritten
digits.
"""

from torch import Tensor, nn

import retia
from retia.datasets import digits
from retia.evaluate import Classification
from retia.nn import ModelSpace, layer_choice, repeat

CHANNELS = 16
EPOCHS = 8
"""How long a model is trained alone."""


def conv(inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def operation(label: str) -> nn.Module:
    candidates = {
        "skip": nn.Identity,
        "pool": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        "conv3": lambda: conv(CHANNELS, CHANNELS, 3),
        "separable5": lambda: nn.Sequential(
            conv(CHANNELS, CHANNELS, 5, CHANNELS), conv(CHANNELS, CHANNELS, 1)
        ),
    }
    return layer_choice(label, candidates)


class Bottleneck(nn.Module):
    """A residual block, whose hidden width is given."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(CHANNELS, hidden, 1),
            nn.Conv2d(hidden, CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(CHANNELS),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.body(x)).relu()


class Net(nn.Sequential):
    """Operations and bottlenecks at 8 x 8 and at 4 x 4 pixels: four operations to choose, two widths, and a
    depth.

    The first value of each choice makes the default, the smallest network without any operation. It is the
    baseline of every study, and wins nothing.
    """

    def __init__(self) -> None:
        widths = [retia.choice(f"width{stage}", [4, 8, 16, 32]) for stage in (1, 2)]
        super().__init__(
            nn.Conv2d(1, CHANNELS, 3, padding=1),
            operation("op1"),
            Bottleneck(widths[0]),
            nn.MaxPool2d(2),
            operation("op2"),
            operation("op3"),
            operation("op4"),
            repeat("body", lambda i: Bottleneck(widths[1]), (1, 3)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(CHANNELS, 10),
        )


def space() -> ModelSpace:
    return ModelSpace(Net)


def evaluator(epochs: int = EPOCHS) -> Classification:
    """Train on 359 digits, a fifth of all; 719 are there to judge by, and 719 are never seen by a search."""
    data = digits(valid=0.4, test=0.4)
    return Classification(data.train, data.valid, test=data.test, epochs=epochs, batch_size=32, lr=5e-3)
