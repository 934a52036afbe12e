import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from retia.hub import NasBench201
from retia.nn import ModelSpace, layer_choice
from retia.oneshot.proxylessnas import ProxylessNAS
from retia.oneshot.relaxation.gates import BinaryGates
from retia.space import choice

functional = nn.functional


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        candidates = {
            "identity": nn.Identity,
            "linear": lambda: nn.Linear(4, 4),
            "tanh": nn.Tanh,
            "sigmoid": nn.Sigmoid,
        }
        self.first = layer_choice("op", candidates)
        self.second = layer_choice("op", candidates)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.first(x)
        x += 1  # in place, which what runs before must not mind
        return self.head(self.second(x))


def test_the_gradient_is_that_of_both_gates_through_the_renormalized_probabilities(
    make_setting, items, signs
):
    setting = make_setting(ModelSpace(Net), *signs)
    session = ProxylessNAS().session(setting)
    weights, model = session.relaxation.weights["op"], setting.supernet.model
    with torch.no_grad():
        weights.copy_(torch.tensor([0.5, -0.3, 0.1, 0.0]))
    gradients = []
    session.step = gradients.extend
    for item in items(setting, 6):
        gradients.clear()
        session.search(item)
        gates = model.first.mixture
        assert gates is model.second.mixture
        assert gates.weights.tolist() == [float(i == gates.open) for i in range(4)]
        alpha = weights.detach().clone().requires_grad_()
        pair = [gates.open, gates.other]
        # Binary gates of value 1 and 0 whose gradient is passed on to the two probabilities.
        p = alpha[pair].softmax(0)
        g = torch.tensor([1.0, 0.0]) + p - p.detach()
        x, y = item.held_out()
        for i, layer in enumerate((model.first, model.second)):
            x = g[0] * layer.candidates[pair[0]](x) + g[1] * layer.candidates[pair[1]](x)
            x = x + 1 if i == 0 else x
        (expected,) = torch.autograd.grad(functional.cross_entropy(model.head(x), y), alpha)
        torch.testing.assert_close(gradients[0], expected)
        assert expected[pair].abs().min() > 0


def test_a_step_moves_two_probabilities_and_leaves_the_others(make_setting, items, signs):
    setting = make_setting(ModelSpace(Net), *signs)
    session = ProxylessNAS(learning_rate=0.1).session(setting)
    for item in items(setting, 10):
        before = session.probabilities()["op"]
        session.search(item)
        after = session.probabilities()["op"]
        gates = setting.supernet.model.first.mixture
        moved = {i for i in range(4) if abs(after[i] - before[i]) > 1e-6}
        assert moved == {gates.open, gates.other}
        assert (after[gates.open] > before[gates.open]) != (after[gates.other] > before[gates.other])


def test_the_weights_are_taught_on_one_path_alone(make_setting, items, signs):
    setting = make_setting(ModelSpace(Net), *signs)
    session = ProxylessNAS().session(setting)
    linear = setting.supernet.model.first.candidates[1]
    trained = 0
    for item in items(setting, 40):
        linear.weight.grad = None
        session.train_batch(item)
        assert (linear.weight.grad is not None) == (setting.supernet.architecture["op"] == "linear")
        trained += linear.weight.grad is not None
    assert 2 < trained < 25  # one in four


def saved_bytes(run):
    """Return the memory of the tensors that are kept for the backward pass, each storage once, apart from
    parameters.
    """
    kept = {}

    def pack(tensor):
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(storage.nbytes() for storage in kept.values())


def separable(kernel, expansion):
    """An inverted residual of MobileNetV2, which is what the paper chooses between."""
    hidden = 16 * expansion
    return nn.Sequential(
        *(nn.Conv2d(16, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()),
        *(
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
        ),
        *(nn.Conv2d(hidden, 16, 1, bias=False), nn.BatchNorm2d(16)),
    )


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        candidates = {f"{k}-{e}": (lambda k=k, e=e: separable(k, e)) for k in (3, 5, 7) for e in (3, 6)}
        self.blocks = nn.ModuleList(layer_choice(f"block{i}", candidates) for i in range(4))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize(
    "space", [ModelSpace(Mobile), ModelSpace(NasBench201, channels=8, cells=1)], ids=["mobile", "nasbench201"]
)
def test_one_path_is_in_memory(make_setting, items, space):
    x = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    setting = make_setting(space, x, torch.zeros(8, dtype=torch.long))
    session = ProxylessNAS().session(setting)
    supernet = setting.supernet
    ratios = []
    for item in items(setting, 20):
        gates = session.mixtures(item, item.generator)
        path = saved_bytes(lambda: setting.loss(item.batch))  # it is called at once
        supernet.mix(gates)
        gated = saved_bytes(lambda: session.search_loss(item))
        ratios.append(gated / path)
    assert max(ratios) <= 1.3
    # All candidates at once take several times as much, so the measure can tell.
    supernet.mix({label: weights.softmax(0) for label, weights in session.relaxation.weights.items()})
    assert saved_bytes(lambda: setting.loss(item.batch)) > 2 * path


def test_candidates_that_are_run_again_keep_their_running_statistics(make_setting, items):
    def normed(kernel):
        return nn.Sequential(nn.Conv1d(2, 2, kernel, padding=kernel // 2), nn.BatchNorm1d(2))

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = layer_choice("op", {"one": lambda: normed(1), "three": lambda: normed(3)})
            self.head = nn.Linear(2, 2)

        def forward(self, x):
            return self.head(self.op(x).mean(2))

    x = torch.randn(16, 2, 5, generator=torch.Generator().manual_seed(0))
    setting = make_setting(ModelSpace(Normed), x, (x.sum((1, 2)) > 0).long())
    session, model = ProxylessNAS().session(setting), setting.supernet.model
    item = next(items(setting, 1))
    session.search(item)
    gates = model.op.mixture
    opened, other = (model.op.candidates[position][1] for position in (gates.open, gates.other))
    assert (opened.num_batches_tracked, other.num_batches_tracked) == (1, 0)
    with torch.no_grad():
        mean = model.op.candidates[gates.open][0](item.held_out()[0]).mean((0, 2))
    torch.testing.assert_close(opened.running_mean, 0.1 * mean)


def test_gates_pass_on_positional_keyword_and_other_arguments():
    class Affine(nn.Module):
        def forward(self, x, factor, *, shift):
            return x * factor + shift

    class Power(nn.Module):
        def forward(self, x, factor, *, shift):
            return (x + shift) ** factor

    weights = torch.tensor([1.0, 0.0], requires_grad=True)
    x, shift = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([0.5, 0.5])
    output = BinaryGates(weights, 0, 1, "op", "ab").combine([Affine(), Power()], (x, 2), {"shift": shift})
    assert output.tolist() == [2.5, 4.5]
    output.sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert weights.grad.tolist() == [7.0, 1.5**2 + 2.5**2]
    with torch.no_grad():
        assert BinaryGates(weights, 1, 0, "op", "ab").combine(
            [Affine(), Power()], (x, 2), {"shift": shift}
        ).tolist() == [2.25, 6.25]


def test_under_autocast_the_second_run_is_in_the_same_precision():
    candidates = [_linear(0), _linear(1)]
    weights = torch.tensor([1.0, 0.0], requires_grad=True)
    x = torch.ones(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        output = BinaryGates(weights, 0, 1, "op", "ab").combine(candidates, (x,), {})
        expected = [float(one(x).sum().detach()) for one in candidates]
    assert output.dtype == torch.bfloat16
    output.sum().backward()
    assert weights.grad.tolist() == pytest.approx(expected, rel=1e-2)


def _linear(seed):
    layer = nn.utils.skip_init(nn.Linear, 4, 4)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return layer


class Widths(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice("width", [2, 4, 8])
        self.stem = nn.Linear(4, width)
        self.op = layer_choice(
            "op",
            {
                "deep": lambda: nn.Sequential(
                    layer_choice("inner", [nn.ReLU, nn.Tanh]), nn.Linear(width, width)
                ),
                "flat": nn.Identity,
            },
        )
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.op(self.stem(x)))


def test_widths_and_choices_inside_of_candidates_have_gradients_while_they_are_on_the_path(
    make_setting, items, signs
):
    setting = make_setting(ModelSpace(Widths), *signs)
    session = ProxylessNAS().session(setting)
    seen = set()

    def note(gradients):
        reached = dict(zip(session.relaxation.weights, gradients, strict=True))
        assert reached["width"] is not None
        assert int((reached["width"] != 0).sum()) == 2
        inner = setting.supernet.model.op.candidates[0][0].mixture
        assert (reached["op/deep/inner"] is not None) == (inner is not None)
        seen.add(inner is not None)

    session.step = note
    for item in items(setting, 20):
        session.search(item)
    assert seen == {True, False}
