"""What an operator returned is remembered: the answers are those of running it."""

import pytest
import torch
from torch.nn import functional

from retia.cost.flop_counter import FlopCounter


def meta(*sizes, dtype=torch.float32):
    return torch.empty(*sizes, dtype=dtype, device="meta")


def described(value):
    return [
        (x.shape, x.stride(), x.dtype, x.device.type)
        for x in (value if isinstance(value, tuple | list) else [value])
    ]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functional.relu(x),
        lambda x: functional.hardswish(x.to(memory_format=torch.channels_last)),
        lambda x: functional.batch_norm(x, meta(4), meta(4), meta(4), meta(4)),
        lambda x: functional.layer_norm(x, (6,), meta(6), meta(6)),
        lambda x: functional.conv2d(x, meta(8, 2, 3, 3), padding=1, groups=2),
        lambda x: functional.linear(x, meta(5, 6), meta(5)),
        lambda x: torch.cat([x, x], 1),
        lambda x: x.chunk(2, 1),
        lambda x: x.split([1, 3], 1),
        lambda x: x > 0,
        lambda x: x * 2,
        lambda x: x.max(-1),
        lambda x: x.long() * 2.0,
        lambda x: x.transpose(1, 3).reshape(2, -1),
        lambda x: functional.max_pool2d(x, 2, return_indices=True),
        lambda x: torch.einsum("bchw,cd->bdhw", x, meta(4, 3)),
    ],
)
def test_what_is_remembered_is_what_is_returned(function):
    told = described(function(meta(2, 4, 6, 6)))
    with torch.no_grad():
        for _ in range(2):
            with FlopCounter():
                assert described(function(meta(2, 4, 6, 6))) == told


def test_scalars_that_are_equal_are_not_the_same():
    x = meta(2, dtype=torch.int64)
    with FlopCounter():
        assert [(x * factor).dtype for factor in (1, 1.0, 1, True)] == [
            torch.int64,
            torch.float32,
            torch.int64,
            torch.int64,
        ]


def test_remembered_operators_count_again():
    for _ in range(2):
        with FlopCounter() as counter:
            for _ in range(3):
                meta(2, 7) @ meta(7, 5)
            functional.gelu(meta(3))
        assert counter.flops == 3 * 2 * 2 * 7 * 5
        assert counter.uncounted == {"aten.gelu"}


def test_values_are_computed_off_meta():
    x = torch.tensor([-1.0, 2.0])
    with FlopCounter():
        assert functional.relu(x).tolist() == [0, 2] and functional.relu(x + 1).tolist() == [0, 3]


def test_what_changes_in_place_is_the_tensor_itself():
    x = meta(2, 3)
    with FlopCounter():
        assert x.add_(1) is x and functional.relu(x, inplace=True) is x
