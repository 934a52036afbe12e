"""What users do with a model of the hub: train it, alone or in a supernet, and hand it to torch's
exporters.
"""

import warnings

import pytest
import torch
from torch.nn import functional

from retia import hub
from retia.hub import TransformerSizes
from retia.nn import seeded
from retia.rng import stream
from retia.supernet import Supernet

SIZES = TransformerSizes(widths=(16, 24), depth=(1, 3), heads=(1, 2), mlp_ratios=(1.5, 2.0))
ARGUMENTS = {
    "nasbench201": {"channels": 4, "cells": 1},
    "darts": {"width": 4, "cells": 4},
    "mobilenetv3": {"width_multipliers": (0.25, 0.5), "head_widths": (64, 80)},
    "autoformer": {"sizes": SIZES, "image_size": 16, "patch_size": 4, "head_width": 8, "drop_path": 0.0},
}


def space_of(name):
    return hub.get(name, classes=5, **ARGUMENTS[name])


def images(*, batch=16, height=16, width=16):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def losses(model, steps=20):
    labels = torch.randint(5, (16,), generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    found = []
    with seeded(0):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images()), labels)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


@pytest.mark.parametrize("name", ARGUMENTS)
def test_models_and_supernets_learn_random_labels(name):
    space = space_of(name)
    architecture = space.sample(stream(0, "training"))
    supernet = Supernet(space, seed=0)
    supernet.activate(architecture)
    alone = supernet.subnet()
    found = [losses(supernet), losses(alone)]
    for first, *_, last in found:
        assert abs(first - 1.609) < 0.5  # the logarithm of five classes
        assert last < first - 0.1
    # AdamW moves each weight by itself, so what the architecture does not use changes nothing.
    torch.testing.assert_close(found[0], found[1], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize(
    "export",
    [torch.jit.trace, lambda model, x: torch.export.export(model, (x,)).module()],
    ids=["trace", "export"],
)
def test_models_can_be_exported(name, export):
    space = space_of(name)
    model = space.build(space.sample(stream(1, "training")), seed=0).eval()
    x = images(batch=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its tracer
        exported = export(model, x)
    torch.testing.assert_close(exported(x), model(x))


@pytest.mark.parametrize("name", ["darts", "mobilenetv3"])
@pytest.mark.parametrize(("height", "width"), [(17, 17), (15, 23)])
def test_convolutional_models_take_odd_sizes(name, height, width):
    space = space_of(name)
    for i in range(3):
        model = space.build(space.sample(stream(i, "odd sizes")), device="meta")
        assert model(images(batch=2, height=height, width=width).to("meta")).shape == (2, 5)
