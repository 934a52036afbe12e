"""A supernet of convolutions, whose weights are channels-last, goes on from a checkpoint to the same
losses.
"""

import pytest
import torch
from torch import nn

import retia
from retia.evaluate import Classification
from retia.nn import ModelSpace
from retia.oneshot import SPOS
from retia.trial import Run


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.first, self.second, self.head = (
            nn.Conv2d(3, width, 3, padding=1),
            nn.Conv2d(width, 8, 3, padding=1),
            nn.Linear(8, 3),
        )

    def forward(self, x):
        return self.head(self.second(self.first(x).relu()).relu().mean((2, 3)))


def losses(folder, until=6):
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(256, 3, 8, 8, generator=generator), torch.randint(3, (256,), generator=generator)
    heard = []

    def hear(metrics, step):
        heard.append(metrics["supernet_loss"])
        if step == until:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SPOS(epochs=6).prepare(
            Classification(data, data, lr=0.003, device="cpu"),
            Run(ModelSpace(Net), directory=folder, listener=hear),
        )
    return heard


def test_a_supernet_of_convolutions_goes_on_to_the_same_losses(tmp_path):
    whole = losses(tmp_path / "whole")
    assert len(set(whole)) == 6
    assert losses(tmp_path / "parts", until=2) + losses(tmp_path / "parts") == whole
