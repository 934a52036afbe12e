"""Elastic convolutions: the first channels, and the centre of the kernel."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from retia.errors import SupernetError
from retia.space import Call, Domain, expression_of, labels_of, values_of
from retia.supernet.elastic import Elastic, elastic, window

__all__ = ["ElasticConvolution"]


@elastic(nn.Conv1d, nn.Conv2d, nn.Conv3d)
class ElasticConvolution(Elastic):
    """A convolution that uses the first channels of its weight, and the centre of its kernel.

    The weight has the shape (out, in / groups, *kernel).

    Attributes:
        kernels: Sizes between which kernels are transformed, the largest first; empty if the plain centre is
            used.

    Reference:
        Cai et al., Once-for-All, ICLR 2020, section 3.3 (elastic kernel size, elastic width).
    """

    divides = (("groups", "in_channels"), ("groups", "out_channels"))
    outputs = 0
    kernel = 2

    kernel_size: tuple[int, ...]
    kernels: tuple[tuple[int, ...], ...] = ()

    def transform_kernels(self, domains: Mapping[str, Domain]) -> None:
        """Make each smaller kernel a learnt linear map of the centre of the next larger kernel.

        `w_small = M @ centre(w_large)` for flattened kernels, with a matrix `M` of the shape (k * k, k * k)
        for a kernel of k * k. `M` starts as the identity; it is a parameter of the supernet's layer that all
        channels share, and no subnet has it.

        Args:
            domains: Domains of the parameters, by label.

        Raises:
            SupernetError: If one of two kernels does not contain the other, such as 3 x 5 and 5 x 3.

        Reference:
            Cai et al., Once-for-All, ICLR 2020, section 3.3 (elastic kernel size). Deviation: kernels may
            have one to three dimensions, be oblong, and have any number of groups; theirs are square and
            depthwise.
        """
        term = expression_of(self.kernel_size)
        sizes = sorted({size for _, size in values_of(Call(tuple, (term,)), domains)}, reverse=True)
        weight = self.full("weight")
        for larger, smaller in pairwise(sizes):
            if any(a < b for a, b in zip(larger, smaller, strict=True)):
                msg = (
                    "kernel_transform makes a kernel from the centre of the next larger one, but the choice "
                    f"of {sorted(labels_of(term))} gives {larger} and {smaller}, neither of which contains "
                    "the other. Choose kernels such as 3, 5 and 7, or leave out kernel_transform."
                )
                raise SupernetError(msg)
            matrix = torch.eye(math.prod(smaller), dtype=weight.dtype, device=weight.device)
            self.register_parameter(_name(larger, smaller), nn.Parameter(matrix))
        self.kernels = tuple(sizes)

    def pieces(self, name: str, shape: tuple[int, ...]) -> Sequence[Tensor]:
        """Crop the kernel to its centre, and take the first channels."""
        full = self.full(name)
        return [self.cut(name, shape, (*(0 for _ in shape[:2]), *_starts(full.shape[2:], shape[2:])))]

    def part(self, name: str) -> Tensor:
        """Return the part of a tensor that the active architecture uses, with transformed kernels."""
        if name == "weight" and self.kernels:
            return self._transformed(self.shapes()[name])
        return super().part(name)

    def is_transformed(self, kernel: tuple[int, ...]) -> bool:
        """Return whether a matrix on the way to a kernel of a size is no longer the identity."""
        steps = [
            _name(larger, smaller)
            for larger, smaller in pairwise(self.kernels)
            if all(a >= b for a, b in zip(smaller, kernel, strict=True))
        ]
        matrices = [self._parameters[step] for step in steps]
        return any(
            matrix is not None and not torch.equal(matrix, torch.eye(len(matrix)).to(matrix))
            for matrix in matrices
        )

    def _transformed(self, shape: tuple[int, ...]) -> Tensor:
        full = self.full("weight")
        whole = full.shape[2:]
        weight = self.cut("weight", (*shape[:2], *whole)).reshape(*shape[:2], *whole)
        for larger, smaller in pairwise(self.kernels):
            if larger == shape[2:]:
                break
            starts = [
                inner - outer
                for inner, outer in zip(_starts(whole, smaller), _starts(whole, larger), strict=True)
            ]
            centre = window(weight, (0, 0, *starts), (*shape[:2], *smaller))
            matrix = self._parameters[_name(larger, smaller)]
            assert matrix is not None
            flat = linear(centre.flatten(2), matrix)  # (out, in / groups, k * k)
            weight = flat.unflatten(2, smaller)  # (out, in / groups, *kernel)
        return weight


@elastic(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
class ElasticTransposedConvolution(ElasticConvolution):
    """A transposed convolution, whose weight has the shape (in, out / groups, *kernel)."""

    outputs = 1


def _starts(full: Sequence[int], size: Sequence[int]) -> list[int]:
    """Return the position in a full kernel at which its centre of a size begins."""
    return [(whole - extent) // 2 for whole, extent in zip(full, size, strict=True)]


def _name(larger: Sequence[int], smaller: Sequence[int]) -> str:
    """Return the name of the matrix from one size to the next: `kernel_7x7_to_5x5`."""
    return f"kernel_{'x'.join(map(str, larger))}_to_{'x'.join(map(str, smaller))}"
