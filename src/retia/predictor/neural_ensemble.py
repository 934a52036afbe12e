"""An ensemble of small neural networks over encoded architectures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retia.predictor.encoding import Encoder, Encoding, Paths, require_encoding
from retia.space import Architecture, SearchSpace
from retia.strategy import FittedPredictor, require_number, require_whole

__all__ = ["NeuralEnsemble"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class NeuralEnsemble:
    """Predict the mean and the standard deviation of multilayer perceptrons.

    The members differ in their initial weights and the order of the architectures. They are trained together,
    with one batched product for each layer.

    Args:
        encoding: Encoding of the architectures. Default: `Paths()`.
        members: Number of networks. Default 5.
        layers: Number of hidden layers. Default 10.
        width: Number of units in a hidden layer. Default 20.
        epochs: Number of training epochs. Default 150.
        batch: Batch size. Default 32.
        rate: Learning rate (Adam). Default 0.01.

    Raises:
        SpaceError: If `encoding` is not an encoding, or a number is not positive.

    Reference:
        White et al., BANANAS, AAAI 2021, section 5 and its published code: these defaults, ReLU, the mean
        absolute error, betas of 0.9 and 0.99, and Glorot's uniform weights. Deviation: the losses are
        standardized for the training, since they may have any unit.
    """

    encoding: Encoding = field(default_factory=Paths)
    members: int = field(default=5, kw_only=True)
    layers: int = field(default=10, kw_only=True)
    width: int = field(default=20, kw_only=True)
    epochs: int = field(default=150, kw_only=True)
    batch: int = field(default=32, kw_only=True)
    rate: float = field(default=0.01, kw_only=True)

    def __post_init__(self) -> None:
        require_encoding(self, self.encoding)
        require_whole(self, members=1, layers=1, width=1, epochs=1, batch=1)
        require_number(self, "rate", above=0)

    def fit(
        self,
        space: SearchSpace,
        architectures: Sequence[Architecture],
        losses: Numbers,
        rng: np.random.Generator,
    ) -> FittedPredictor:
        """Fit to the losses of architectures, shape (N,); lower is better."""
        encode = self.encoding.fit(space, architectures)
        features = torch.from_numpy(encode(architectures).astype(np.float32))  # (N, F)
        center, spread = float(losses.mean()), float(losses.std()) or 1.0
        targets = torch.from_numpy(((losses - center) / spread).astype(np.float32))  # (N,)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        layers = self._initial(features.shape[1], generator)
        self._train(layers, features, targets, generator)
        return _Networks(
            encode, [(weight.detach(), bias.detach()) for weight, bias in layers], center, spread
        )

    def _initial(self, inputs: int, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        """Return the initial weights (E, I, O) and biases (E, 1, O) of each layer."""
        sizes = [inputs, *[self.width] * self.layers, 1]
        layers: list[tuple[Tensor, Tensor]] = []
        for before, behind in pairwise(sizes):
            limit = (6 / max(before + behind, 1)) ** 0.5
            weight = torch.empty(self.members, before, behind).uniform_(-limit, limit, generator=generator)
            layers.append((weight.requires_grad_(), torch.zeros(self.members, 1, behind).requires_grad_()))
        return layers

    def _train(
        self,
        layers: Sequence[tuple[Tensor, Tensor]],
        features: Tensor,
        targets: Tensor,
        generator: torch.Generator,
    ) -> None:
        optimizer = torch.optim.Adam(
            [one for layer in layers for one in layer], lr=self.rate, betas=(0.9, 0.99), fused=True
        )
        for _ in range(self.epochs):
            keys = torch.rand(self.members, len(targets), generator=generator)
            order = keys.argsort(1)  # (E, N): one order for each member
            for taken in order.split(self.batch, 1):  # (E, B)
                error = (_forward(layers, features[taken]) - targets[taken]).abs().mean(1).sum()
                optimizer.zero_grad()
                error.backward()
                optimizer.step()


@dataclass(frozen=True)
class _Networks:
    encode: Encoder
    layers: list[tuple[Tensor, Tensor]]
    center: float
    spread: float

    @torch.no_grad()
    def predict(self, architectures: Sequence[Architecture]) -> tuple[Numbers, Numbers]:
        """Return the mean of the networks' predictions and their standard deviation."""
        features = torch.from_numpy(self.encode(architectures).astype(np.float32))  # (N, F)
        standardized = _forward(self.layers, features.expand(len(self.layers[0][0]), -1, -1))
        predicted = self.center + self.spread * standardized.double()  # (E, N)
        return predicted.mean(0).numpy(), predicted.std(0, correction=0).numpy()


def _forward(layers: Sequence[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """Map features (E, B, F), one batch for each member, to predictions (E, B)."""
    for weight, bias in layers[:-1]:
        x = torch.baddbmm(bias, x, weight).relu()
    weight, bias = layers[-1]
    return torch.baddbmm(bias, x, weight)[..., 0]
