"""FLOP formulas of operators for which torch has no formula; a multiply-add counts as two."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

__all__ = ["formulas"]

Formula = Callable[..., int]
"""Function of the arguments of an operator, and of its result as `out_val`."""


@cache
def formulas() -> Mapping[Any, Formula]:
    """Return the formulas by operator, including those of torch."""
    aten = torch.ops.aten
    own: dict[Any, Formula] = {
        aten.mv: _matrix_vector,
        aten.addmv: _added_matrix_vector,
        aten.dot: _dot,
        aten.vdot: _dot,
        aten.addbmm: _added_products,
        aten._trilinear: _trilinear,
        aten.mkldnn_rnn_layer: _lstm_layer,
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    }
    return {**own, **flop_registry}


def _matrix_vector(matrix: Tensor, vector: Tensor, **_: Any) -> int:
    del vector
    return 2 * matrix.numel()


def _added_matrix_vector(bias: Tensor, matrix: Tensor, vector: Tensor, **_: Any) -> int:
    del bias, vector
    return 2 * matrix.numel()


def _dot(a: Tensor, b: Tensor, **_: Any) -> int:
    del b
    return 2 * a.numel()


def _added_products(bias: Tensor, a: Tensor, b: Tensor, **_: Any) -> int:
    del bias
    return 2 * a.numel() * b.shape[-1]  # a: (B, N, M), b: (B, M, P)


def _trilinear(
    a: Tensor,
    weight: Tensor,
    b: Tensor,
    expand_a: list[int],
    expand_weight: list[int],
    expand_b: list[int],
    *_: Any,
    **__: Any,
) -> int:
    """Count `torch.nn.Bilinear`: a (B, N), weight (K, N, M) and b (B, M) give (B, K)."""
    del expand_a, expand_b, expand_weight
    return 2 * a.shape[0] * weight.numel() + 2 * b.shape[0] * weight.shape[0] * b.shape[1]


def _lstm_layer(sequence: Tensor, weight: Tensor, recurrent: Tensor, *_: Any, **__: Any) -> int:
    length, batch = sequence.shape[:2]  # (T, B, D)
    return 2 * length * batch * (weight.numel() + recurrent.numel())


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query.shape, key.shape, value.shape)
