import re

import pytest
import torch
from torch import nn

import retia
from retia import choice
from retia.errors import SupernetError
from retia.nn import ModelSpace
from retia.supernet import Elastic, Supernet, elastic


def supernet(make, **kwargs):
    return Supernet(ModelSpace(make), seed=0, **kwargs)


class Scaled(nn.Linear):
    """A subclass that computes something else."""

    def forward(self, x):
        return 2 * super().forward(x)


def test_a_layer_of_torch_without_an_elastic_version():
    def make():
        width = choice("classes", [2, 4])
        return nn.ModuleDict({"loss": nn.CrossEntropyLoss(weight=torch.ones(width))})

    with pytest.raises(
        SupernetError,
        match=r"'loss' \(CrossEntropyLoss\) has a searchable 'weight' \(label 'classes'\), but CrossEntropyLoss has no elastic version\..*"
        r"register one with @retia.supernet.elastic\(nn.CrossEntropyLoss\)",
    ):
        supernet(make)


def test_a_subclass_of_a_layer_is_not_replaced_unasked():
    with pytest.raises(
        SupernetError,
        match=r"'0' \(Scaled\) has a searchable 'out_features' \(label 'w'\)\. Scaled derives from Linear and may compute something else.*@retia.supernet.elastic\(Scaled\)",
    ):
        supernet(lambda: nn.Sequential(Scaled(3, choice("w", [2, 4]))))


def test_a_subclass_is_elastic_once_it_is_registered():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    @elastic(Doubled)
    class LastFeatures(Elastic):
        def pieces(self, name, shape):
            return [self.full(name)[-shape[0] :]]

    net = supernet(lambda: Doubled(3, choice("w", [2, 4])))
    x = torch.ones(1, 3)
    net.activate({"w": 4})
    everything = net(x)
    net.activate({"w": 2})
    assert torch.equal(net(x), everything[:, 2:])
    assert torch.equal(net(x), net.subnet()(x))


def test_what_is_registered_derives_from_elastic():
    with pytest.raises(
        TypeError, match=r"stands above a subclass of retia.supernet.Elastic, got <class 'int'>"
    ):
        elastic(nn.Linear)(int)
    with pytest.raises(TypeError, match=r"takes classes of torch.nn.Module, got 'Linear'"):
        elastic("Linear")
    with pytest.raises(TypeError, match=r"takes classes of torch.nn.Module, got Linear\("):
        elastic(nn.Linear(1, 1, device="meta"))


def test_groups_of_a_normalization_that_do_not_divide_its_channels():
    space = ModelSpace(lambda: nn.GroupNorm(choice("g", [2, 4]), choice("w", [6, 8])))
    with pytest.raises(
        SupernetError,
        match=r"GroupNorm\) needs its num_groups to divide its num_channels, but they are 4 and 6 for \{'g': 4, 'w': 6\}",
    ):
        Supernet(space, seed=0)
    assert Supernet(space.where(lambda a: a["w"] % a["g"] == 0), seed=0).space.size() == 3


def constraint_of(space):
    """Return the restriction that the refusal of a space spells out, as a user would copy it."""
    with pytest.raises(SupernetError) as caught:
        Supernet(space, seed=0)
    return re.fullmatch(
        r".*space\.where\((lambda a: .*)\), or compute one size from the other\.", str(caught.value)
    )[1]


def widened(width, ratio):
    return int(width * ratio)


DIVISIONS = {
    "without weights": (
        lambda: nn.GroupNorm(choice("g", [2, 4]), choice("w", [6, 8]), affine=False),
        "a['w'] % a['g'] == 0",
        3,
    ),
    "of a lambda": (
        lambda: nn.GroupNorm(
            choice("g", [2, 4]),
            retia.apply(lambda w, r: int(w * r), choice("w", [6, 8]), choice("r", [1.0, 1.5])),
        ),
        "(a['g'], a['r'], a['w']) not in [(2, 1.5, 6), (4, 1.0, 6), (4, 1.5, 6)]",
        5,
    ),
    "of a function": (
        lambda: nn.GroupNorm(2, retia.apply(widened, choice("w", [1, 2, 5]), 1.6)),
        "a['w'] in [5]",
        1,
    ),
    "of a builtin": (
        lambda: nn.GroupNorm(4, retia.apply(max, choice("w", [2, 6, 8]), 4)),
        "max(a['w'], 4) % 4 == 0",
        2,
    ),
    "of a list": (
        lambda: nn.GroupNorm(2, retia.apply(sum, [choice("w", [2, 3]), 3])),
        "sum([a['w'], 3]) % 2 == 0",
        1,
    ),
    "by nothing": (
        lambda: nn.MultiheadAttention(w := choice("w", [4, 8]), w // 8),
        "((a['w'] // 8) != 0 and a['w'] % (a['w'] // 8) == 0)",
        1,
    ),
    "with a quote": (
        lambda: retia.repeat("body's", lambda i: nn.GroupNorm(choice("g", [2, 4]), choice("w", [6, 8])), 1),
        """a["body's/0/w"] % a["body's/0/g"] == 0""",
        3,
    ),
    "of some": (
        lambda: retia.layer_choice(
            "c",
            {"a": lambda: nn.GroupNorm(retia.apply(lambda g: g, choice("g", [3, 4])), 8), "b": nn.Identity},
        ),
        "'c/a/g' not in a or a['c/a/g'] not in [3]",
        2,
    ),
}


@pytest.mark.parametrize("name", DIVISIONS)
def test_the_restriction_that_a_refusal_spells_out_can_be_copied(name):
    make, expected, size = DIVISIONS[name]
    space = ModelSpace(make)
    constraint = constraint_of(space)
    assert constraint == f"lambda a: {expected}"
    restricted = space.where(eval(constraint))  # that it can be is what is tested
    assert restricted.size() == size
    supernet = Supernet(restricted, seed=0)
    for architecture in restricted.enumerate():
        supernet.subnet(architecture)


def test_a_function_with_too_many_values_to_list_is_called_f():
    space = ModelSpace(
        lambda: nn.MultiheadAttention(
            retia.apply(lambda w: w, retia.integer("w", 1, 240)), retia.integer("h", 1, 4)
        )
    )
    with pytest.raises(
        SupernetError,
        match=r"a: f\(a\['w'\]\) % a\['h'\] == 0\), where f is the function given to retia.apply, or compute",
    ):
        Supernet(space)


def test_divisions_of_too_many_values_are_refused():
    def make():
        return nn.Sequential(
            nn.GroupNorm(
                choice("g", [1, 2]), retia.apply(lambda r: 2 * int(4 * r), retia.real("r", 0.5, 1.0))
            )
        )

    with pytest.raises(
        SupernetError,
        match=r"'0' \(GroupNorm\) needs its num_groups to divide .* depend on \['g', 'r'\], which have inf combinations",
    ):
        supernet(make)


def test_a_table_with_sparse_gradients_is_refused():
    with pytest.raises(
        SupernetError,
        match=r"'0' \(Embedding\) has a searchable 'embedding_dim' \(label 'w'\), but its gradients are sparse.*Leave out sparse=True",
    ):
        supernet(lambda: nn.Sequential(nn.Embedding(5, choice("w", [2, 4]), sparse=True)))
    assert (
        supernet(
            lambda: nn.Sequential(nn.Embedding(5, 4, sparse=True), nn.Linear(4, choice("w", [2, 4])))
        ).space.size()
        == 2
    )


@pytest.mark.parametrize("example", [None, torch.ones(2, 4, 3, 3)])
def test_tensors_that_only_some_architectures_have_name_the_choice(example):
    def make():
        width = choice("w", [2, 4])
        return nn.Sequential(
            nn.Conv2d(4, width, 1), nn.BatchNorm2d(width, affine=choice("affine", [True, False]))
        )

    with pytest.raises(SupernetError) as caught:
        supernet(make, example=example)
    message = str(caught.value)
    assert message.startswith(
        "'1' (BatchNorm2d) has 'weight' in the supernet, but not in the model of {'w': 2, 'affine': "
        "False} built alone."
    )
    assert "Its 'affine' decides whether the tensor exists, and follows the choice 'affine'." in message
    assert "retia.layer_choice('affine', {'with': lambda: BatchNorm2d(...)" in message
    assert "loop" not in message


def test_a_choice_that_only_an_if_of_torch_reads_names_the_line():
    with pytest.raises(
        SupernetError,
        match=r"The choice 'bias' is in no attribute.* becomes a plain value here: .*bias=choice\(\"bias\".* \(an if or a comparison\)",
    ):
        supernet(
            lambda: nn.Sequential(
                nn.Linear(4, choice("w", [2, 4])), nn.Linear(4, 4, bias=choice("bias", [True, False]))
            )
        )


def test_a_slow_constructor_is_told_of_load_pretrained(monkeypatch):
    monkeypatch.setattr("retia.supernet.check.structure.SLOW_S", 0.0)
    with pytest.warns(
        UserWarning, match=r"The constructor of <lambda> takes 0\.\d s, .* retia\.supernet\.load_pretrained\("
    ):
        supernet(lambda: nn.Linear(3, choice("w", [2, 4])))


def test_lazy_layers_have_no_size():
    with pytest.raises(
        SupernetError,
        match=r"The model itself \(LazyLinear\) takes the size of its 'weight' from the first call",
    ):
        Supernet(ModelSpace(lambda: nn.LazyLinear(choice("width", [8, 16]))))


def test_a_parametrization_is_refused():
    def net():
        return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, choice("width", [8, 16]))))

    with pytest.raises(
        SupernetError,
        match=r"'0' \(Linear\) has a searchable 'out_features' \(label 'width'\) and a parametrization, such as weight_norm",
    ):
        Supernet(ModelSpace(net))


def test_a_transformation_of_no_kernel_is_refused():
    with pytest.raises(
        SupernetError, match="nothing to transform: no convolution of <lambda> has a searchable kernel"
    ):
        Supernet(ModelSpace(lambda: nn.Conv2d(3, choice("width", [8, 16]), 3)), kernel_transform=True)


def test_an_error_names_a_users_class_in_full():
    class ElasticBlock(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(int(width)))
            self.rows = width

    with pytest.raises(SupernetError, match=r"'0.weight' of '0' \(ElasticBlock\) has the shape"):
        Supernet(ModelSpace(lambda: nn.Sequential(ElasticBlock(choice("width", [2, 4])))))
