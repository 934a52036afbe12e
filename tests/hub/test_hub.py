from functools import partial

import pytest
import torch
from safetensors.torch import save_file, save_model

from retia import hub
from retia.cost import count_parameters
from retia.errors import SpaceError
from retia.nn import ModelSpace

PARAMETERS = {
    "darts-v2": 3_349_342,
    "mobilenetv3-large-100": 5_483_032,
    "cream-014": 2_673_096,
    "cream-043": 4_398_600,
    "cream-114": 4_410_120,
    "cream-287": 6_044_368,
    "autoformer-tiny": 5_867_944,
    "autoformer-small": 22_891_432,
    "autoformer-base": 53_691_688,
}


def test_the_searched_models_are_listed():
    assert hub.published() == tuple(PARAMETERS)


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_a_searched_model_is_one_architecture_of_its_space(name, parameters):
    space = hub.get(name)
    assert space.canonical(hub.architecture(name)) == hub.architecture(name)
    assert count_parameters(hub.load(name, device="meta")) == parameters


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("nasbench201", hub.NasBench201),
        ("darts", partial(hub.Darts, width=4, cells=3)),
        ("mobilenetv3", hub.MobileNetV3),
        ("autoformer", hub.AutoFormer),
    ],
)
def test_a_space_is_that_of_its_class(name, model):
    arguments = getattr(model, "keywords", {})
    assert hub.get(name, **arguments).parameters == ModelSpace(model).parameters


def test_a_space_takes_the_arguments_of_its_class():
    space = hub.get("nasbench201", channels=4, cells=1, classes=7)
    assert space.name == "NasBench201"
    assert space.build(space.default(), device="meta").classifier.out_features == 7
    with pytest.raises(SpaceError, match="unexpected keyword argument 'depth'"):
        hub.get("nasbench201", depth=3)


def test_the_space_of_a_searched_model_takes_further_arguments():
    model = hub.get("darts-v2", cells=5, classes=7).build(hub.architecture("darts-v2"), device="meta")
    assert len(model.cells) == 5
    assert model.classifier.out_features == 7


def test_fresh_weights_follow_the_seed():
    first, again, other = (hub.load("cream-014", seed=seed).head[-1].weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weights_are_read_from_a_file(tmp_path):
    model = hub.load("cream-014", seed=1)
    save_model(model, str(tmp_path / "weights.safetensors"))
    loaded = hub.load("cream-014", weights=tmp_path / "weights.safetensors")
    assert not loaded.training
    state = model.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())


def test_weights_of_another_model_are_an_error(tmp_path):
    save_file({"weight": torch.zeros(3)}, str(tmp_path / "weights.safetensors"))
    with pytest.raises(SpaceError, match="do not fit this architecture"):
        hub.load("cream-014", weights=str(tmp_path / "weights.safetensors"))


def test_an_unknown_space_is_an_error_that_lists_those_there_are():
    with pytest.raises(
        SpaceError,
        match=r"has the spaces \['nasbench201', 'darts', 'mobilenetv3', 'autoformer'\] and the models \['darts-v2'.* not 'resnet'",
    ):
        hub.get("resnet")


@pytest.mark.parametrize("call", [hub.load, hub.architecture])
def test_an_unknown_model_is_an_error_that_lists_those_there_are(call):
    with pytest.raises(SpaceError, match=r"has the searched models \[.*'darts-v2'.* not 'darts'"):
        call("darts")


def test_what_the_front_door_exports_is_there():
    assert all(hasattr(hub, name) for name in hub.__all__)
    assert list(hub.__all__) == sorted(hub.__all__)
