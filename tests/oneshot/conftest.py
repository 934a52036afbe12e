from functools import partial
from itertools import islice

import pytest
import torch
from torch import nn

from retia.evaluate import Teaching, TensorData
from retia.oneshot import Lesson, Setting
from retia.rng import stream_seed
from retia.supernet import Supernet


def _judged(model, data):
    was = model.training
    model.eval()
    with torch.no_grad():
        scores = model(data.x)
    model.train(was)
    loss = nn.functional.cross_entropy(scores, data.y)
    return {"accuracy": float((scores.argmax(1) == data.y).float().mean()), "loss": float(loss)}


def _make_setting(space, x, y, *, seed=0, epochs=2, batch_size=8, lr=0.1, penalties=(), allows=None, loss=nn.functional.cross_entropy):
    data = TensorData(x, y)
    supernet = Supernet(space, seed=seed)
    supernet.train()
    teaching = Teaching(
        train=data,
        valid=data,
        loss=loss,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=lr),
        schedule=lambda optimizer, steps: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0),
        judge=partial(_judged, data=data),
        epochs=epochs,
        batch_size=batch_size,
    )
    steps = data.steps(batch_size)
    bound = [penalty.bind(supernet, example=x) for penalty in penalties]
    return Setting(supernet, teaching, steps * epochs, steps, seed, allows or (lambda architecture: True), bound)


def _batches(setting, coordinate):
    data, size, number = setting.teaching.train, setting.teaching.batch_size, 0
    while True:
        generator = torch.Generator().manual_seed(stream_seed(setting.seed, coordinate, number))
        yield from data.batches(size, generator=generator)
        number += 1


def _lessons(setting, n):
    held_out = _batches(setting, "held out")
    for number, batch in enumerate(islice(_batches(setting, "order"), n)):
        other = next(held_out)
        yield Lesson(number=number, step=number, batch=batch, held_out=lambda other=other: other, seed=stream_seed(setting.seed, "lesson", number))


@pytest.fixture(scope="session")
def make_setting():
    """Return `make_setting(space, x, y, *, seed, epochs, batch_size, lr, penalties, allows, loss)`: a setting with a supernet, cross entropy and plain SGD."""
    return _make_setting


@pytest.fixture(scope="session")
def lessons():
    """Return `lessons(setting, n)`, which yields lessons on shuffled batches, numbered from 0 on, one a step."""
    return _lessons
