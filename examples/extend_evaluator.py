"""Add an evaluator: fit the outputs of an untrained model to the targets by least squares.

python examples/extend_evaluator.py
"""

from dataclasses import dataclass

import torch
from torch import nn

import retia
from retia.trial import Capabilities


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Return the error of the best linear map from a model's outputs to the targets."""

    x: torch.Tensor
    y: torch.Tensor

    def __call__(self, architecture, run):
        model = run.space.build(architecture, device=run.device, seed=run.seed)
        outputs = model(self.x.to(run.device)).detach().cpu()  # (B, D)
        fitted = outputs @ torch.linalg.lstsq(outputs, self.y).solution  # (B, 1)
        return {"error": float((fitted - self.y).square().mean())}

    def capabilities(self):
        return Capabilities(metrics=("error",), costs=retia.Costs(self.x), builds=True, example=self.x)


def net():
    return retia.layer_choice("act", {"identity": nn.Identity, "tanh": nn.Tanh, "relu": nn.ReLU})


def main():
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    least = LeastSquares(x, nn.functional.relu(x).sum(1, keepdim=True))
    return retia.search(retia.ModelSpace(net), least, trials=3, minimize="error")


if __name__ == "__main__":
    print(main().best)
