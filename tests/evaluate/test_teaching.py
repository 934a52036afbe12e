"""What an evaluator tells those who write the training loop themselves."""

import pytest
import torch
from torch import nn

import retia
from retia.errors import EvaluationError
from retia.evaluate import Classification, Regression, Trainable


def data(n=12, classes=3):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(n) % classes


def test_a_classifier_is_taught_as_it_trains():
    evaluator = Classification(
        data(), data(), epochs=4, batch_size=5, lr=0.1, optimizer="sgd", momentum=0.5, schedule="constant", warmup_epochs=2, clip_norm=1.0
    )
    teaching = evaluator.teaching("cpu")
    assert isinstance(evaluator, Trainable)
    assert (teaching.epochs, teaching.batch_size, teaching.clip_norm, teaching.precision, teaching.device.type) == (4, 5, 1.0, None, "cpu")
    outputs = torch.tensor([[2.0, 0.0, 0.0]])
    assert torch.allclose(teaching.loss(outputs, torch.tensor([0])), nn.functional.cross_entropy(outputs, torch.tensor([0])))
    optimizer = teaching.optimizer(nn.Linear(4, 3, bias=False, device="meta"))
    assert (optimizer.defaults["momentum"], optimizer.param_groups[0]["lr"]) == (0.5, 0.1)
    schedule = teaching.schedule(optimizer, 8)  # of 4 epochs, 2 of which warm up
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1])


def test_it_judges_on_the_validation_data():
    x, y = data()
    teaching = Classification((x, y), (x, y)).teaching()

    class Right(nn.Module):
        def forward(self, inputs):
            index = (inputs[:, None] == x[None]).all(2).float().argmax(1)
            return nn.functional.one_hot(y[index], 3).float() * 100

    assert teaching.judge(Right())["accuracy"] == 1.0


def test_it_checks_the_first_outputs():
    teaching = Regression((torch.ones(4, 2), torch.ones(4, 1)), (torch.ones(4, 2), torch.ones(4, 1))).teaching()
    with pytest.raises(EvaluationError, match=r"outputs have the shape of its targets, \(4, 1\), got \(4,\)"):
        teaching.check(torch.ones(4), torch.ones(4, 1))


def test_a_searched_setting_can_not_be_taught():
    evaluator = Classification(data(), data(), lr=retia.Real(0.1, 1.0))
    with pytest.raises(EvaluationError, match="'lr' of Classification is searched .* but a supernet is trained once"):
        evaluator.teaching()
