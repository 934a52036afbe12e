"""The supernet of NAS-Bench-201 with DARTS and GDAS in plain PyTorch, as one would write it without a
library: what `oneshot.py` compares with.

Modules are made in the order of the library's, so that weights can be copied from one to the other.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
Weigh = Callable[[nn.ModuleList, int, Tensor], Tensor]
"""Makes of an edge's candidates, its number and its input (B, C, H, W) its output."""


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul(0.0)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Cell(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(
                [
                    Zero(),
                    nn.Identity(),
                    conv(channels, channels, 1),
                    conv(channels, channels, 3),
                    nn.AvgPool2d(3, 1, 1, count_include_pad=False),
                ]
            )
            for _ in EDGES
        )

    def forward(self, x: Tensor, weigh: Weigh) -> Tensor:
        nodes = [x]
        for node in (1, 2, 3):
            nodes.append(
                reduce(
                    operator.add,
                    (
                        weigh(self.edges[i], i, nodes[source])
                        for i, (to, source) in enumerate(EDGES)
                        if to == node
                    ),
                )
            )
        return nodes[-1]


class Reduction(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(inputs, outputs, 3, stride=2), conv(outputs, outputs, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class Network(nn.Module):
    """A stem, three cells with reductions in between, a classifier; and six rows of five architecture
    weights, which are no parameters.
    """

    def __init__(self, channels: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.stages = nn.ModuleList(
            [
                Cell(channels),
                Reduction(channels, 2 * channels),
                Cell(2 * channels),
                Reduction(2 * channels, 4 * channels),
                Cell(4 * channels),
            ]
        )
        self.norm = nn.BatchNorm2d(4 * channels)
        self.classifier = nn.Linear(4 * channels, classes)
        self.alphas = [torch.zeros(5, requires_grad=True) for _ in EDGES]

    def forward(self, x: Tensor, weigh: Weigh) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x, weigh) if isinstance(stage, Cell) else stage(x)
        return self.classifier(torch.relu(self.norm(x)).mean((2, 3)))


class Search(ABC):
    """What DARTS and GDAS have in common: alternating steps of Adam for the architecture weights and of SGD
    for the weights.
    """

    def __init__(self, network: Network, lr: float) -> None:
        self.network = network
        self.optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=3e-4)
        self.architect = torch.optim.Adam(network.alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    @abstractmethod
    def weigh(self, share: float, generator: torch.Generator | None) -> Weigh:
        """Return how the candidates of an edge are combined."""

    def architecture_gradients(
        self, batch: tuple[Tensor, Tensor], share: float, generator: torch.Generator | None = None
    ) -> tuple[float, list[Tensor]]:
        """Return the loss and the gradients of the architecture weights; those of the weights are not
        computed.
        """
        x, y = batch
        loss = functional.cross_entropy(self.network(x, self.weigh(share, generator)), y)
        return loss.item(), list(torch.autograd.grad(loss, self.network.alphas))

    def weight_gradients(
        self, batch: tuple[Tensor, Tensor], share: float, generator: torch.Generator | None = None
    ) -> float:
        """Leave the gradients at the weights, and return the loss."""
        x, y = batch
        with torch.no_grad():
            weigh = self.weigh(share, generator)
        loss = functional.cross_entropy(self.network(x, weigh), y)
        self.optimizer.zero_grad()
        loss.backward()
        return loss.item()

    def step(self, batch: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], share: float) -> None:
        _, gradients = self.architecture_gradients(held_out, share)
        for alpha, gradient in zip(self.network.alphas, gradients, strict=True):
            alpha.grad = gradient
        self.architect.step()
        self.weight_gradients(batch, share)
        self.optimizer.step()


class Darts(Search):
    def weigh(self, share: float, generator: torch.Generator | None) -> Weigh:
        weights = [alpha.softmax(0) for alpha in self.network.alphas]
        return lambda candidates, i, x: reduce(
            operator.add,
            (weight * candidate(x) for weight, candidate in zip(weights[i], candidates, strict=True)),
        )


class Gdas(Search):
    def weigh(self, share: float, generator: torch.Generator | None) -> Weigh:
        temperature = 10.0 + (0.1 - 10.0) * share
        picked: list[int] = []
        weights: list[Tensor] = []
        for alpha in self.network.alphas:
            noise = -torch.empty(5).exponential_(generator=generator).log()
            soft = ((alpha.log_softmax(0) + noise) / temperature).softmax(0)
            position = int(soft.argmax())
            picked.append(position)
            weights.append(
                soft[position] - soft[position].detach() + 1
            )  # 1, with the gradient of the soft weight

        def run(candidates: nn.ModuleList, i: int, x: Tensor) -> Tensor:
            output = candidates[picked[i]](x)
            return weights[i] * output if weights[i].requires_grad else output

        return run
