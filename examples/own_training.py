"""Judge by a function of your own: it gets the model, and yields what it knows as it goes.

retia run examples/own_training.py --trials 10
"""

import torch
from torch import nn

import retia

data = retia.datasets.diabetes()


class Perceptron(nn.Sequential):
    def __init__(self):
        width = retia.integer("width", 8, 64, step=8)
        act = retia.layer_choice("act", [nn.ReLU, nn.Tanh, nn.SiLU])
        super().__init__(
            nn.Linear(10, width), act, nn.Dropout(retia.choice("dropout", [0.0, 0.2])), nn.Linear(width, 1)
        )


def train(model):
    x, y = data.train
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(5):
        model.train()
        for _ in range(10):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            yield {"error": nn.functional.mse_loss(model(data.valid[0]), data.valid[1])}


study = retia.Study(retia.ModelSpace(Perceptron), train, minimize="error")
strategy = retia.strategy.LocalSearch()
trials = 10
