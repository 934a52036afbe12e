"""Add a one-shot method: rank architectures by the mean held-out loss of their values.

python examples/extend_one_shot.py
"""

from itertools import islice
from math import inf
from statistics import fmean

import torch
from torch import nn

import retia
from retia.oneshot import OneShot, PathSession


class MeanLoss(OneShot):
    """Train random paths, and keep a moving average of the held-out losses of the paths with each value."""

    def session(self, setting):
        return MeanLossSession(setting)


class MeanLossSession(PathSession):
    def __init__(self, setting):
        super().__init__(setting)
        self.losses = {}

    def search(self, item):
        path = self.sampler.sample(item.rng)
        self.supernet.activate(path)
        with torch.no_grad():
            loss = float(self.setting.loss(item.held_out()))
        for choice in map(str, path.items()):
            self.losses[choice] = 0.9 * self.losses.get(choice, loss) + 0.1 * loss
        return {"held_out_loss": loss}

    def ranked(self):
        paths = super().ranked()
        yield from sorted(islice(paths, 1000), key=self.mean_loss)
        yield from paths

    def mean_loss(self, path):
        return fmean(self.losses.get(str(item), inf) for item in path.items())

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = dict(state["losses"])


def net():
    dropout = retia.choice("dropout", [0.9, 0.0, 0.5])
    return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, 10))


def main():
    data = retia.datasets.digits()
    evaluator = retia.Classification(data.train, data.valid, epochs=3, lr=1e-2)
    method = MeanLoss()
    method.train(retia.ModelSpace(net), evaluator)
    return list(method.ranked())


if __name__ == "__main__":
    print(main())  # without dropout first, with the most dropout last
