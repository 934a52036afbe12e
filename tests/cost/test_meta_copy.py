import copy
import gc

import torch
from torch import nn

from retia.cost import meta_copy
from retia.nn import seeded


class Noting(nn.Module):
    """Notes whether garbage is collected while it is copied."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __deepcopy__(self, memo):
        self.seen.append(gc.isenabled())
        twin = Noting()
        memo[id(self)] = twin
        return twin


def test_a_copy_has_the_shapes_and_ties_but_no_memory():
    with seeded(0):
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    model[1].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    twin = meta_copy(model)
    assert {tensor.device.type for tensor in (*twin.parameters(), *twin.buffers())} == {"meta"}
    assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers())} == {"cpu"}
    assert [(name, tensor.shape) for name, tensor in twin.state_dict().items()] == [
        (name, tensor.shape) for name, tensor in model.state_dict().items()
    ]
    assert twin[1].weight is twin[0].weight
    assert not twin[0].bias.requires_grad
    assert twin(torch.empty(2, 3, device="meta")).shape == (2, 3)


def test_copying_puts_garbage_collection_off():
    model = nn.Sequential(Noting())
    meta_copy(model)
    copy.deepcopy(model)
    assert model[0].seen == [False, True]
    assert gc.isenabled()
