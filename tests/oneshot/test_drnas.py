import pytest
import torch
from torch.nn import functional

from retia.oneshot.differentiable import generator_of
from retia.oneshot.drnas import DrNAS


@pytest.fixture
def session_with(make_setting, activations, signs):
    """Return `session_with(weights, **settings)`: a setting, and a session of it with these weights."""

    def session_with(weights, **settings):
        setting = make_setting(activations, *signs)
        session = DrNAS(**settings).session(setting)
        with torch.no_grad():
            session.relaxation.weights["op"].copy_(torch.tensor(weights))
        return setting, session

    return session_with


def test_samples_have_the_moments_of_the_distribution(session_with, items):
    weights = [1.0, 0.0, -1.0]
    setting, session = session_with(weights)
    item = next(items(setting, 1))
    concentration = functional.elu(torch.tensor(weights)) + 1
    with torch.no_grad():
        samples = torch.stack([session.mixtures(item, generator_of(item, str(i)))["op"] for i in range(800)])
    mean = concentration / concentration.sum()
    torch.testing.assert_close(samples.sum(1), torch.ones(800))
    torch.testing.assert_close(samples.mean(0), mean, atol=0.04, rtol=0)
    torch.testing.assert_close(
        samples.var(0), mean * (1 - mean) / (concentration.sum() + 1), atol=0.02, rtol=0
    )
    assert session.probabilities()["op"] == pytest.approx(mean.numpy())


def test_gradients_are_those_of_the_path(session_with, items):
    """The mean gradient of a function of the samples is the gradient of its mean, which is known."""
    setting, session = session_with([1.0, 0.0, -1.0])
    item, weights = next(items(setting, 1)), session.relaxation.weights["op"]
    n = 600
    values = torch.tensor([1.0, 2.0, 5.0])
    total = sum(session.mixtures(item, generator_of(item, str(i)))["op"] @ values for i in range(n)) / n
    (found,) = torch.autograd.grad(total, weights)
    concentration = functional.elu(weights) + 1
    (expected,) = torch.autograd.grad(concentration / concentration.sum() @ values, weights)
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)
    assert expected.abs().max() > 0.3


def test_the_regularizer_is_the_divergence_from_the_uniform_distribution(session_with, items):
    setting, session = session_with([1.0, 0.0, -1.0], regularization=0.5)
    item = next(items(setting, 1))
    c = (functional.elu(torch.tensor([1.0, 0.0, -1.0])) + 1).double()
    divergence = torch.lgamma(c.sum()) - torch.lgamma(c).sum() - torch.lgamma(torch.tensor(3.0).double())
    divergence = divergence + ((c - 1) * (torch.digamma(c) - torch.digamma(c.sum()))).sum()
    assert session.penalized(torch.tensor(2.0), item).item() == pytest.approx(
        2 + 0.5 * divergence.item(), rel=1e-5
    )
    _, plain = session_with([1.0, 0.0, -1.0], regularization=0)
    assert plain.penalized(torch.tensor(2.0), item).item() == 2


def test_under_the_regularizer_alone_concentrations_go_to_one(make_setting, items, signs, activations):
    setting = make_setting(activations, *signs, loss=lambda outputs, y: outputs.sum() * 0)
    session = DrNAS(learning_rate=0.05, weight_decay=0, regularization=1.0).session(setting)
    with torch.no_grad():
        session.relaxation.weights["op"].copy_(torch.tensor([2.0, -1.0, 0.5]))
    for item in items(setting, 150):
        session.search(item)
    assert session.relaxation.weights["op"].tolist() == pytest.approx([0, 0, 0], abs=0.1)


def test_very_small_weights_still_make_a_distribution(session_with, items):
    setting, session = session_with([-200.0, 0.0, 0.0])
    session.search(next(items(setting, 1)))
    assert session.probabilities()["op"].sum() == pytest.approx(1)
