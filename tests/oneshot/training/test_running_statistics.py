import copy

import pytest
import torch
from torch import nn

from retia.oneshot.training.running_statistics import running_statistics_kept


def layers():
    return nn.Sequential(
        nn.BatchNorm1d(3),
        nn.InstanceNorm1d(3, track_running_stats=True),
        nn.BatchNorm1d(3, momentum=None),
        nn.BatchNorm1d(3).eval(),
    )


def batch(seed):
    return torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(seed)) + 2


def test_outputs_are_those_of_training_and_running_statistics_stay():
    model, plain = layers(), layers()
    with running_statistics_kept([model, model[0]]):
        before = copy.deepcopy(
            {name: value for name, value in model.state_dict().items() if "running" in name}
        )
        outputs = model(batch(0))
        after = {name: model.state_dict()[name] for name in before}
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert torch.equal(outputs, plain(batch(0)))
    # Afterwards they run as ever.
    assert torch.equal(model(batch(1)), layers()(batch(1)))
    fresh = layers()
    fresh(batch(1))
    assert all(
        torch.equal(value, fresh.state_dict()[name])
        for name, value in model.state_dict().items()
        if "running" in name
    )


def test_an_error_inside_puts_everything_back():
    model = layers()
    before = [(one.track_running_stats, one.momentum, one.training) for one in model]
    with pytest.raises(KeyError), running_statistics_kept([model]):
        raise KeyError
    assert [(one.track_running_stats, one.momentum, one.training) for one in model] == before
