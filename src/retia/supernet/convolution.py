"""Elastic convolutions: the first channels, and the centre of the kernel."""

from collections.abc import Sequence

from torch import Tensor, nn

from retia.supernet.elastic import Elastic, elastic, prefix

__all__ = ["ElasticConvolution"]


@elastic(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
class ElasticConvolution(Elastic):
    """A convolution that uses the first channels of its weight, and the centre of its kernel.

    The weight has the shape (out, in / groups, *kernel); a transposed one (in, out / groups, *kernel).

    Reference:
        Cai et al., Once-for-All, ICLR 2020, section 3.3 (elastic kernel size, elastic width).
    """

    divides = (("groups", "in_channels"), ("groups", "out_channels"))

    def pieces(self, name: str, shape: tuple[int, ...]) -> Sequence[Tensor]:
        """Crop the kernel to its centre, and take the first channels."""
        tensor = self.full(name)
        for dim in range(2, len(shape)):
            surplus = tensor.shape[dim] - shape[dim]
            if surplus:
                tensor = tensor.narrow(dim, surplus // 2, shape[dim])
        return [prefix(tensor, shape)]
