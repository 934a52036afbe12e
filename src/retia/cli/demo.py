"""The demo: a search of a small convolutional network for accuracy and size on handwritten digits."""

from pathlib import Path

from torch import Tensor, nn

import retia


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        kernel = retia.choice("kernel", [3, 5])
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.act = retia.layer_choice("act", {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU})

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        width = retia.choice("width", [8, 16, 24, 32], default=16)
        depth = retia.choice("depth", [1, 2, 3, 4], default=2)
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.body = retia.repeat("body", lambda i: Block(width), depth)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.pool(self.stem(x))).mean((2, 3)))


def main(
    directory: Path, *, trials: int = 24, workers: int = 2, epochs: int = 12, seed: int = 0
) -> retia.Study:
    data = retia.datasets.digits()
    return retia.search(
        retia.ModelSpace(Net, classes=10),
        retia.Classification(data.train, data.valid, test=data.test, epochs=epochs, lr=1e-2),
        retia.RegularizedEvolution(population=8, tournament=3),
        trials=trials,
        maximize="accuracy",
        minimize="params",
        storage=directory / "retia.db",
        name="digits",
        seed=seed,
        workers=workers,
        control=True,
    )
