"""Each zero-cost proxy, on networks so small that its score is known."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from retia.errors import EvaluationError
from retia.evaluate import Training
from retia.evaluate.proxies import (
    PROXIES,
    Probe,
    epe_nas,
    fisher,
    grad_norm,
    grasp,
    jacob_cov,
    naswot,
    snip,
    synflow,
    zen,
)
from retia.nn import seeded


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X = noise(6, 3)
Y = torch.tensor([0, 1, 0, 1, 1, 0])
T = noise(6, 2, seed=1)


def made(factory, seed=0):
    with seeded(seed):
        return factory()


def linear(weight, bias=None):
    layer = made(lambda: nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None))
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def conv(weight):
    layer = made(
        lambda: nn.Conv2d(
            weight.shape[1], weight.shape[0], weight.shape[2], padding=weight.shape[2] // 2, bias=False
        )
    )
    layer.weight = nn.Parameter(weight.clone())
    return layer


def mlp(act=nn.ReLU, inputs=3, hidden=5, outputs=2):
    return made(lambda: nn.Sequential(nn.Linear(inputs, hidden), act(), nn.Linear(hidden, outputs)))


def probe(model, x=X, y=T, loss=nn.functional.mse_loss, seed=0):
    batch = (x, y)
    training = Training([batch], [batch], loss=lambda outputs, batch: loss(outputs, batch[1]), device="cpu")
    return Probe(model.train(), training, batch, torch.Generator().manual_seed(seed))


def score(proxy, model, x=X, y=T, loss=nn.functional.mse_loss, seed=0):
    """Return what a proxy says of a copy of a model."""
    return proxy(probe(copy.deepcopy(model), x, y, loss, seed))


def line():
    """A linear layer with its mean squared error: the weight W, the gradient 2/(B O) (X Wᵀ + b - T)ᵀ X, the
    Hessian 2/(B O) Xᵀ X for each row.
    """
    weight, bias = noise(2, 3, seed=2), noise(2, seed=3)
    residual = X @ weight.T + bias - T
    return (
        linear(weight, bias),
        weight.numpy(),
        (2 / T.numel() * residual.T @ X).numpy(),
        (2 / T.numel() * X.T @ X).numpy(),
    )


class Function(nn.Module):
    """A function of the input as a model."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


# --- what gradients of weights tell


def test_grad_norm_of_a_line():
    model, _, gradient, _ = line()
    assert score(grad_norm, model) == pytest.approx(
        np.linalg.norm(gradient), rel=1e-5
    )  # the bias doesn't count


def test_grad_norm_adds_the_norms_of_layers():
    model = nn.Sequential(linear(noise(4, 3, seed=2)), linear(noise(2, 4, seed=3)))
    first, second = (layer.weight.detach().double().numpy() for layer in model)
    x = X.double().numpy()
    residual = 2 / T.numel() * (x @ first.T @ second.T - T.numpy())
    gradients = (residual @ second).T @ x, residual.T @ (x @ first.T)
    assert score(grad_norm, model) == pytest.approx(sum(map(np.linalg.norm, gradients)), rel=1e-5)
    assert score(snip, model) == pytest.approx(
        np.abs(first * gradients[0]).sum() + np.abs(second * gradients[1]).sum(), rel=1e-5
    )


def test_snip_of_a_line():
    model, weight, gradient, _ = line()
    assert score(snip, model) == pytest.approx(np.abs(weight * gradient).sum(), rel=1e-5)


def test_grasp_of_a_line():
    model, weight, gradient, hessian = line()
    assert score(grasp, model) == pytest.approx(-(weight * (gradient @ hessian)).sum(), rel=1e-4)


def test_grasp_is_how_the_gradient_shrinks_with_the_weights():
    """To first order in s, weights (1 - s) w have a squared gradient norm of |g|² - 2 s wᵀHg: twice the score
    for each s.
    """
    model = mlp(nn.Tanh).double()
    x, y = X.double(), T.double()

    def squared(scale):
        scaled = copy.deepcopy(model)
        with torch.no_grad():
            for layer in (scaled[0], scaled[2]):
                layer.weight.mul_(scale)
        return sum(float((g**2).sum()) for _, g in probe(scaled, x, y).gradients())

    assert score(grasp, model, x, y) == pytest.approx(
        (squared(1 - 1e-5) - squared(1 + 1e-5)) / (2 * 1e-5) / 2, rel=1e-4
    )


def test_grasp_of_a_loss_that_is_linear_in_the_weights_is_zero():
    assert score(grasp, linear(noise(2, 3)), loss=lambda outputs, targets: outputs.sum()) == 0.0


def test_grasp_passes_through_attention():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0].mean((1, 2))

    x, y = noise(3, 5, 4), noise(3)
    assert score(grasp, made(Attention), x, y) != 0.0


def test_grasp_passes_through_the_hard_sigmoid():
    class Parts(nn.Module):
        def forward(self, x):
            return nn.functional.relu6(x + 3) / 6

    assert score(grasp, mlp(nn.Hardsigmoid)) == pytest.approx(score(grasp, mlp(Parts)), rel=1e-6)


def test_grasp_says_what_has_no_second_derivative():
    with pytest.raises(
        EvaluationError,
        match="grasp differentiates the loss twice, which torch can't do for .*hardsigmoid.*Leave it out",
    ):
        score(grasp, mlp(lambda: Function(torch.ops.aten.hardsigmoid)))


@pytest.mark.parametrize("proxy", [snip, fisher, grad_norm])
def test_labels_matter(proxy):
    model = mlp()
    cross_entropy = nn.functional.cross_entropy
    assert score(proxy, model, X, Y, cross_entropy) != score(proxy, model, X, 1 - Y, cross_entropy)


def test_snip_does_not_see_how_scale_is_split_between_layers():
    model, other = mlp(), mlp()
    with torch.no_grad():
        other[0].weight.mul_(8.0)
        other[0].bias.mul_(8.0)
        other[2].weight.div_(8.0)
    assert score(snip, other) == pytest.approx(score(snip, model), rel=1e-5)
    assert score(grad_norm, other) != pytest.approx(score(grad_norm, model), rel=0.1)


@pytest.mark.parametrize("proxy", [grad_norm, snip, grasp])
def test_what_is_no_weight_or_frozen_does_not_count(proxy):
    weight = noise(2, 3, seed=2)
    plain, frozen = linear(weight), nn.Sequential(linear(torch.eye(3)), linear(weight))
    frozen[0].requires_grad_(requires_grad=False)
    assert score(proxy, frozen) == pytest.approx(score(proxy, plain), rel=1e-5)


def test_normalization_is_at_work_before_any_training():
    """In training mode batch normalization undoes a factor; in evaluation mode it would not."""
    model = nn.Sequential(linear(noise(9, 3)), nn.BatchNorm1d(9, eps=1e-9), nn.ReLU(), linear(noise(2, 9)))
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight.mul_(8.0)
    for proxy in (snip, jacob_cov, naswot):
        assert score(proxy, other) == pytest.approx(score(proxy, model), rel=1e-3)


# --- fisher


def test_fisher_of_a_line():
    model, *_ = line()
    outputs = model(X).detach().numpy()
    effects = outputs * 2 / T.numel() * (outputs - T.numpy())  # activation times gradient, (B, O)
    assert score(fisher, model) == pytest.approx((effects**2).mean(0).sum() / 2, rel=1e-5)


def test_fisher_sums_over_the_positions_of_a_channel():
    weight = noise(3, 2, 1, 1)
    x, y = noise(4, 2, 5, 5), noise(4, 3, seed=4)
    model = nn.Sequential(conv(weight), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    maps = np.einsum("oc,bchw->bohw", weight[:, :, 0, 0].numpy(), x.numpy())
    gradient = 2 / y.numel() * (maps.mean((2, 3)) - y.numpy())[:, :, None, None] / 25
    effects = (maps * gradient).sum((2, 3))
    assert score(fisher, model, x, y) == pytest.approx((effects**2).mean(0).sum() / 2, rel=1e-4)


def test_fisher_of_a_linear_layer_sums_over_tokens():
    weight = noise(2, 3)
    x, y = noise(4, 5, 3), noise(4, 2, seed=4)
    model = nn.Sequential(linear(weight), Function(lambda x: x.sum(1)))
    outputs = x.numpy() @ weight.numpy().T
    effects = (outputs * (2 / y.numel() * (outputs.sum(1) - y.numpy()))[:, None]).sum(1)
    assert score(fisher, model, x, y) == pytest.approx((effects**2).mean(0).sum() / 2, rel=1e-4)


def test_fisher_counts_a_layer_as_often_as_it_is_called_and_one_without_effect_not():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.idle = linear(noise(3, 3)), linear(noise(2, 3))

        def forward(self, x):
            self.idle(x)
            return self.layer(self.layer(x))

    class Apart(nn.Sequential):
        def __init__(self):
            super().__init__(linear(noise(3, 3)), linear(noise(3, 3)))

    y = noise(6, 3, seed=1)
    assert score(fisher, Twice(), y=y) == pytest.approx(score(fisher, Apart(), y=y))


@pytest.mark.parametrize("proxy", PROXIES.values())
def test_what_is_done_in_place_makes_no_difference(proxy):
    def net(*, inplace):
        return nn.Sequential(nn.ReLU(inplace), *mlp(lambda: nn.ReLU(inplace), 8, 32))

    x, y = noise(6, 8), Y
    apart, within = (
        score(proxy, net(inplace=inplace), x.clone(), y, nn.functional.cross_entropy)
        for inplace in (False, True)
    )
    assert apart == within
    assert math.isfinite(apart)


# --- synflow


def test_synflow_of_two_layers_is_twice_their_flow():
    first, second = noise(4, 3, seed=2), noise(2, 4, seed=3)
    flow = np.ones(2) @ np.abs(second.numpy()) @ np.abs(first.numpy()) @ np.ones(3)
    model = nn.Sequential(linear(first), nn.ReLU(), linear(second))
    assert score(synflow, model) == pytest.approx(2 * flow, rel=1e-6)  # every layer conserves it
    assert score(synflow, nn.Sequential(*model, linear(torch.eye(2)))) == pytest.approx(3 * flow, rel=1e-6)


def test_synflow_sees_neither_data_nor_signs_nor_normalization_nor_dropout():
    model = mlp()
    expected = score(synflow, model)
    assert score(synflow, model, 100 * X, -T) == expected
    flipped = copy.deepcopy(model)
    with torch.no_grad():
        flipped[0].weight.neg_()
        flipped[2].bias.neg_()
    assert score(synflow, flipped) == expected
    norms = [nn.BatchNorm1d(5), nn.LayerNorm(5), nn.GroupNorm(5, 5), nn.Dropout(0.9)]
    norms[0].running_var.fill_(100.0)
    assert score(synflow, nn.Sequential(model[0], *norms, *model[1:])) == expected


def test_synflow_grows_with_each_layers_scale():
    model = mlp()
    with torch.no_grad():
        model[0].bias.zero_()
        model[2].bias.zero_()
    before = score(synflow, model)
    with torch.no_grad():
        model[0].weight.mul_(3.0)
        model[2].weight.mul_(-2.0)
    assert score(synflow, model) == pytest.approx(6 * before)


def test_synflow_of_a_convolution_and_of_indices():
    weight = noise(2, 1, 3, 3)
    inside = np.abs(weight.numpy()).sum() * 9  # 3x3 inner positions see the whole kernel
    rows = [(slice(1, None), slice(0, 3), slice(0, 2))[i] for i in range(3)]
    border = sum(
        np.abs(weight.numpy())[:, :, a, b].sum() for a in (rows[0], rows[2]) for b in (rows[0], rows[2])
    )  # the four corners
    border += 3 * sum(
        np.abs(weight.numpy())[:, :, a, b].sum()
        for a, b in ((rows[0], rows[1]), (rows[2], rows[1]), (rows[1], rows[0]), (rows[1], rows[2]))
    )
    assert score(synflow, conv(weight), torch.zeros(2, 1, 5, 5)) == pytest.approx(inside + border, rel=1e-6)
    table = noise(7, 4)
    model = made(lambda: nn.Embedding(7, 4))
    model.weight = nn.Parameter(table)
    assert score(synflow, model, torch.zeros(2, 3, dtype=torch.long)) == pytest.approx(
        3 * float(table[1].abs().sum()), rel=1e-6
    )


def test_synflow_computes_in_double_precision():
    deep = nn.Sequential(*[linear(1e3 * torch.ones(10, 10)) for _ in range(40)])
    assert score(synflow, deep, noise(2, 10)) == pytest.approx(
        40 * 10 * 1e4**40
    )  # 1e160, far beyond single precision


# --- what gradients of inputs tell

JACOBIAN = Function(lambda x: (x**2).sum(1, keepdim=True).expand(-1, 2))
"""Its Jacobian, summed over the two outputs, is 4 x."""


def covariance_score(rows):
    values = np.linalg.eigvalsh(np.corrcoef(rows))
    return -(np.log(values + 1e-5) + 1 / (values + 1e-5)).sum()


def test_jacob_cov_reads_the_correlations_of_jacobians():
    x = noise(5, 8).double()
    assert score(jacob_cov, JACOBIAN, x) == pytest.approx(covariance_score(x.numpy()), rel=1e-8)
    assert score(jacob_cov, JACOBIAN, 3 * x + 1.0) == pytest.approx(score(jacob_cov, JACOBIAN, x), rel=1e-8)


def test_jacob_cov_is_greatest_where_no_two_samples_are_alike():
    signs = torch.tensor([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])  # orthogonal, of mean 0
    assert score(jacob_cov, JACOBIAN, signs.double()) == pytest.approx(-3, abs=1e-6)
    alike = torch.cat([signs[:2], signs[:1]]).double()
    assert score(jacob_cov, JACOBIAN, alike) == pytest.approx(
        -(1 + math.log(1e-5) + 1e5 + math.log(2) + 0.5), rel=1e-4
    )


def test_jacob_cov_takes_images_and_several_inputs():
    class Two(nn.Module):
        def forward(self, left, right):
            return (left**2).sum((1, 2)) + (right**2).sum(1)

    left, right = noise(4, 2, 3), noise(4, 5, seed=1)
    expected = covariance_score(torch.cat([left.flatten(1), right], 1).double().numpy())
    assert score(jacob_cov, Two(), (left, right)) == pytest.approx(expected, rel=1e-4)


def class_score(rows):
    return np.log(np.abs(np.corrcoef(rows)) + 1e-5).sum()


def test_epe_nas_adds_up_classes():
    x = noise(6, 8).double()
    classes = [x[Y == label].numpy() for label in (0, 1)]
    assert score(epe_nas, JACOBIAN, x, Y) == pytest.approx(
        sum(abs(class_score(rows)) for rows in classes), rel=1e-8
    )


def test_epe_nas_compares_many_classes():
    x = noise(6, 8).double()
    y = torch.tensor([0, 1, 0, 1, 1, 2])
    values = [class_score(x[y == label].numpy()) / count for label, count in ((0, 2), (1, 3))] + [
        math.log(1 + 1e-5)
    ]
    expected = sum(abs(a - b) for a in values for b in values) / 3
    model = Function(lambda x: (x**2).sum(1, keepdim=True).expand(-1, 101))
    assert score(epe_nas, model, x, y) == pytest.approx(expected, rel=1e-8)


def test_epe_nas_needs_classes():
    with pytest.raises(EvaluationError, match=r"same class, but targets are float32 of shape \(6, 2\)"):
        score(epe_nas, JACOBIAN, X, T)


@pytest.mark.parametrize("proxy", [jacob_cov, epe_nas])
def test_what_does_not_depend_on_its_input_has_no_correlations(proxy):
    assert math.isnan(score(proxy, Function(lambda x: 0.0 * x), y=Y))


@pytest.mark.parametrize("proxy", [jacob_cov, epe_nas])
def test_indices_have_no_gradient(proxy):
    with pytest.raises(
        EvaluationError, match="jacob_cov and epe_nas differentiate by the inputs, but these are indices"
    ):
        score(proxy, made(lambda: nn.Embedding(4, 2)), torch.tensor([[0], [1]]), torch.tensor([0, 1]))


# --- naswot


def test_naswot_of_two_layers():
    first, second, third = noise(9, 6, seed=2), noise(7, 9, seed=3), noise(2, 7, seed=4)
    x = noise(6, 6)
    model = nn.Sequential(linear(first), nn.ReLU(), linear(second), nn.ReLU(), linear(third))
    before = x.numpy() @ first.numpy().T
    after = np.maximum(before, 0) @ second.numpy().T
    codes = np.concatenate([before > 0, after > 0], 1)  # (B, 16)
    kernel = 16 - (codes[:, None] != codes).sum(2)  # less the Hamming distance
    sign, expected = np.linalg.slogdet(kernel.astype(float))
    assert sign == 1
    assert score(naswot, model, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "relu",
    [
        torch.relu,
        nn.functional.relu,
        lambda x: x.relu_(),
        nn.ReLU(inplace=True),
        nn.ReLU6(),
        nn.GELU(),
        nn.SiLU(),
        nn.Hardswish(),
        nn.LeakyReLU(),
        nn.ELU(),
        nn.Mish(),
    ],
)
def test_naswot_finds_rectifiers_however_they_are_called(relu):
    weight = noise(9, 3)
    plain = nn.Sequential(linear(weight), nn.ReLU())
    assert score(naswot, nn.Sequential(linear(weight), Function(relu))) == score(naswot, plain)
    assert math.isfinite(score(naswot, plain))


def test_naswot_does_not_see_the_scale_of_weights():
    weight = noise(9, 3)
    assert score(naswot, nn.Sequential(linear(1e3 * weight), nn.ReLU())) == score(
        naswot, nn.Sequential(linear(weight), nn.ReLU())
    )


def test_naswot_of_samples_with_the_same_pattern():
    assert (
        score(naswot, nn.Sequential(linear(noise(9, 3)), nn.ReLU()), X[[0, 0, 1]], Y[:3]) < -20
    )  # singular, up to rounding


def test_naswot_needs_rectifiers():
    with pytest.raises(EvaluationError, match="which rectifiers are on, but the model computes none"):
        score(naswot, mlp(nn.Tanh))
    with pytest.raises(EvaluationError, match="which rectifiers are on, but the model computes none"):
        score(naswot, mlp(nn.Hardtanh))


# --- zen


def drawn(*shapes):
    """What zen draws: the weights, then x, then ε."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).numpy().astype(float) for shape in shapes]


def test_zen_of_a_line():
    model, *_ = line()
    weight, _, epsilon = drawn((2, 3), (6, 3), (6, 3))
    distances = np.linalg.norm(0.01 * epsilon @ weight.T, axis=1)
    assert score(zen, model) == pytest.approx(math.log(distances.mean()), rel=1e-4)


def test_zen_looks_before_the_pooling():
    """Two 1x1 convolutions with batch normalization between them: f is the second's output, and σ of the
    first's.
    """
    norm = nn.BatchNorm2d(3, eps=1e-9)
    with torch.no_grad():
        norm.weight.fill_(7.0)  # made 1
        norm.bias.fill_(7.0)  # made 0
    body = nn.Sequential(conv(noise(3, 2, 1, 1)), norm, conv(noise(4, 3, 1, 1)))
    shape = (5, 2, 4, 4)
    first, second, x, epsilon = drawn((3, 2, 1, 1), (4, 3, 1, 1), shape, shape)

    def maps(inputs):
        hidden = np.einsum("oc,bchw->bohw", first[:, :, 0, 0], inputs)
        scaled = (hidden - hidden.mean((0, 2, 3), keepdims=True)) / hidden.std((0, 2, 3), keepdims=True)
        return np.einsum("oc,bchw->bohw", second[:, :, 0, 0], scaled), hidden.var((0, 2, 3))

    (features, variances), (moved, _) = maps(x), maps(x + 0.01 * epsilon)
    distance = np.sqrt(((features - moved) ** 2).sum((1, 2, 3))).mean()
    expected = math.log(distance) + math.log(math.sqrt(variances.mean()))
    assert score(zen, body, noise(*shape), Y[:5]) == pytest.approx(expected, rel=1e-4)
    for pool in (nn.AdaptiveAvgPool2d(1), Function(lambda x: x.mean((2, 3)))):
        assert score(zen, nn.Sequential(body, pool, nn.Flatten()), noise(*shape), Y[:5]) == pytest.approx(
            expected, rel=1e-4
        )


def test_zen_adds_what_normalization_takes_away():
    """A factor before batch normalization changes nothing after it, and comes in by σ; without normalization
    it comes in by the distance.
    """

    def net(factor, *norm):
        return nn.Sequential(conv(noise(8, 3, 3, 3)), Function(lambda x: factor * x), *norm)

    x = noise(4, 3, 6, 6)
    for norm in ((), (nn.BatchNorm2d(8),)):
        assert score(zen, net(20.0, *norm), x, Y[:4]) - score(
            zen, net(1.0, *norm), x, Y[:4]
        ) == pytest.approx(math.log(20), abs=1e-4)


def test_zen_does_not_mind_a_dead_branch():
    class Both(nn.Module):
        def __init__(self, *, dead):
            super().__init__()
            self.live = conv(noise(4, 3, 1, 1))
            self.dead = nn.Sequential(Function(lambda x: 0.0 * x), nn.BatchNorm2d(4)) if dead else None

        def forward(self, x):
            x = self.live(x)
            return x if self.dead is None else x + self.dead(x)

    x = noise(4, 3, 6, 6)
    assert score(zen, Both(dead=True), x, Y[:4]) == pytest.approx(
        score(zen, Both(dead=False), x, Y[:4]), rel=1e-6
    )


def test_zen_sees_neither_weights_nor_data():
    assert score(zen, mlp()) == score(
        zen,
        made(
            lambda: mlp().apply(lambda m: m.reset_parameters() if isinstance(m, nn.Linear) else None), seed=5
        ),
        -X,
    )
    assert score(zen, mlp(), seed=0) != score(zen, mlp(), seed=1)


def test_zen_of_an_output_that_does_not_move():
    assert score(zen, Function(lambda x: 0.0 * x)) == -math.inf


def test_zen_needs_floats():
    with pytest.raises(
        EvaluationError, match="zen moves the inputs by a little noise, but these are indices"
    ):
        score(zen, made(lambda: nn.Embedding(4, 2)), torch.tensor([[0], [1]]))


# --- all of them


@pytest.mark.parametrize("proxy", [grad_norm, snip, grasp, fisher, synflow])
def test_without_weights_there_is_no_saliency(proxy):
    assert score(proxy, Function(torch.relu), y=noise(6, 3)) == 0.0


@pytest.mark.parametrize("proxy", PROXIES.values())
def test_no_proxy_leaves_hooks_or_gradients(proxy):
    model = made(
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
        )
    )
    x = noise(6, 1, 6, 6)
    proxy(probe(model, x, Y, nn.functional.cross_entropy))
    hooks = [
        hook
        for module in model.modules()
        for hook in (*module._forward_hooks, *module._forward_pre_hooks, *module._backward_hooks)
    ]
    assert not hooks
    assert all(parameter.grad is None for parameter in model.parameters())
    assert x.grad is None
    assert not x.requires_grad


OF_OUTPUTS = (synflow, jacob_cov, epe_nas, zen)


@pytest.mark.parametrize("proxy", OF_OUTPUTS)
def test_a_model_returns_a_tensor(proxy):
    with pytest.raises(EvaluationError, match="returns a dict, but a proxy needs a tensor of outputs"):
        score(proxy, Function(lambda x: {"logits": x}), y=Y)


@pytest.mark.parametrize("proxy", PROXIES.values())
def test_a_training_that_has_a_scalar_alone(proxy):
    """The proxies of the loss are the same; those of the outputs name the missing field."""

    def loss(outputs, batch):
        return nn.functional.cross_entropy(outputs, batch[1])

    split = Training([(X, Y)], [(X, Y)], loss=loss, device="cpu")
    scalar = Training(
        [(X, Y)],
        [(X, Y)],
        forward=lambda model, batch: loss(model(batch[0]), batch),
        loss=lambda outputs, batch: outputs,
        device="cpu",
    )
    plain, alone = (
        Probe(mlp(), training, (X, Y), torch.Generator().manual_seed(0)) for training in (split, scalar)
    )
    if proxy not in OF_OUTPUTS:
        assert proxy(alone) == proxy(plain)
        return
    assert math.isfinite(proxy(plain))
    with pytest.raises(EvaluationError, match=r"Training has only a scalar: it lacks a 'forward' .*loss'"):
        proxy(alone)


@pytest.mark.parametrize("proxy", [grad_norm, snip, grasp, fisher])
def test_a_loss_of_several_numbers(proxy):
    with pytest.raises(EvaluationError, match=r"'loss' of Training returns a scalar tensor, got .*\(6, 2\)"):
        score(proxy, mlp(), loss=lambda outputs, targets: outputs - targets)


@pytest.mark.parametrize("name", PROXIES)
def test_names_are_those_of_functions(name):
    assert PROXIES[name].__name__ == name
