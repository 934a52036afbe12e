"""Add an elastic layer: a linear layer with gates, which uses the first rows of each half of its weight.

python examples/extend_elastic_layer.py
"""

import torch
from torch import nn

import retia
from retia.supernet import Elastic, elastic, window


class Gated(nn.Module):
    """A linear layer with twice as many rows as outputs; the second half of the rows gates the first."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.randn(2 * outputs, inputs))

    def forward(self, x):  # (B, inputs)
        values, gates = (x @ self.weight.T).split(self.outputs, 1)
        return values * gates.sigmoid()  # (B, outputs)


@elastic(Gated)
class ElasticGated(Elastic):
    """The first rows of each half."""

    def pieces(self, name, shape):
        full, rows = self.full(name), shape[0] // 2
        return [window(full, (start, 0), (rows, shape[1])) for start in (0, len(full) // 2)]


def main():
    supernet = retia.Supernet(retia.ModelSpace(lambda: Gated(4, retia.choice("outputs", [2, 3]))), seed=0)
    supernet.activate({"outputs": 2})
    return supernet


if __name__ == "__main__":
    print(main().subnet().weight)  # (4, 4): rows 0, 1, 3 and 4 of the six
