"""Train one supernet, then judge many architectures with its weights: single-path one-shot, written out.

python examples/supernet.py
"""

import numpy as np
import torch
from torch import nn

import retia

data = retia.datasets.digits()


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        kernel = retia.choice("kernel", [3, 5])
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)
        self.act = retia.layer_choice("act", {"relu": nn.ReLU, "silu": nn.SiLU})

    def forward(self, x):
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [8, 16, 24])
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = retia.repeat("body", lambda i: Block(width), (1, 3))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def accuracy(model, split):
    x, y = split
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def main(steps=400, candidates=20):
    space = retia.ModelSpace(Net)
    x, y = data.train
    supernet = retia.Supernet(space, example=x[:2], seed=0)
    print(f"{sum(p.numel() for p in supernet.parameters()):,} weights for {space.size():,} architectures")

    rng = np.random.default_rng(0)
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(steps):
        batch = torch.from_numpy(rng.integers(len(x), size=64))
        supernet.activate(space.sample(rng))
        optimizer.zero_grad()
        nn.functional.cross_entropy(supernet(x[batch]), y[batch]).backward()
        optimizer.step()

    supernet.eval()
    scores = {}
    for _ in range(candidates):
        architecture = space.sample(rng)
        supernet.activate(architecture)
        retia.supernet.recalibrate(supernet, x[:512].split(128))
        scores[architecture] = accuracy(supernet, data.valid)

    best = max(scores, key=scores.get)
    supernet.activate(best)
    retia.supernet.recalibrate(supernet, x[:512].split(128))
    model = supernet.subnet()  # a plain Net, without a trace of the supernet
    print(
        f"best of {len(scores)}: {dict(best)}, valid {accuracy(model, data.valid):.3f}, "
        f"test {accuracy(model, data.test):.3f}, {type(model).__name__}"
    )
    return model, scores


if __name__ == "__main__":
    main()
