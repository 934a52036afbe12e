"""Elastic attention: the first features of each projection."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from retia.space import expression_of
from retia.supernet.elastic import Elastic, elastic

__all__ = ["ElasticAttention"]

_STACKED = "in_proj_weight"
_SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")


@elastic(nn.MultiheadAttention)
class ElasticAttention(Elastic):
    """Attention that uses the first features of the projections of queries, keys and values.

    The active heads share these features. Torch keeps the three projections in one tensor if keys and values
    are as wide as queries, else in three. If that depends on the architecture, the supernet keeps three.
    """

    divides = (("num_heads", "embed_dim"),)
    stacked = True

    embed_dim: int
    kdim: int
    vdim: int

    def prepare(self) -> None:
        """Separate the projections if keys or values differ in width from queries for some architecture."""
        stacked = self._parameters[_STACKED]
        queries, keys, values = (expression_of(width) for width in (self.embed_dim, self.kdim, self.vdim))
        if stacked is None or queries == keys == values:
            return
        self._parameters[_STACKED] = None
        for name, weight in zip(_SEPARATE, stacked.detach().chunk(3), strict=True):
            self._parameters[name] = nn.Parameter(weight.clone(), stacked.requires_grad)
        widths = (self.embed_dim, self.kdim, self.vdim)
        separate = {name: (self.embed_dim, width) for name, width in zip(_SEPARATE, widths, strict=True)}
        self.elastic_sizes = {
            **separate,
            **{name: shape for name, shape in self.elastic_sizes.items() if name != _STACKED},
        }

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shapes of the tensors, with the projections in one or three tensors, as in torch."""
        if _STACKED in self.elastic_sizes:
            return self.elastic_sizes
        if not self._qkv_same_embed_dim:
            # Not larger than the full tensors: verification finds the mismatch.
            return {
                name: tuple(map(min, shape, self.full(name).shape))
                for name, shape in self.elastic_sizes.items()
            }
        others = {name: shape for name, shape in self.elastic_sizes.items() if name not in _SEPARATE}
        return {_STACKED: (3 * self.embed_dim, self.embed_dim), **others}

    def pieces(self, name: str, shape: tuple[int, ...]) -> Sequence[Tensor]:
        """Take the first rows and columns of each projection."""
        if name == _STACKED and self._parameters[name] is None:
            return [self.cut(own, (self.embed_dim, self.embed_dim)) for own in _SEPARATE]
        return [self.cut(name, shape)]

    def part(self, name: str) -> Tensor:
        """Return the part of a tensor; the same object during `forward`, which reads it several times."""
        taken: dict[str, Tensor] | None = self.__dict__.get("_read")
        if taken is None:
            return super().part(name)
        if name not in taken:
            taken[name] = super().part(name)
        return taken[name]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer's own `forward`."""
        self.__dict__["_read"] = {}
        try:
            return super().forward(*args, **kwargs)
        finally:
            self.__dict__.pop("_read", None)

    @property
    def _qkv_same_embed_dim(self) -> bool:
        """Whether torch would keep the projections in one tensor, which its constructor decides."""
        return self.embed_dim == self.kdim == self.vdim

    def __getattr__(self, name: str) -> Any:
        if name in (_STACKED, *_SEPARATE) and "elastic_sizes" in self.__dict__:
            return self.part(name) if name in self.shapes() else None
        return super().__getattr__(name)
