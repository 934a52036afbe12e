"""Elastic versions of torch's layers that use the first entries of their tensors."""

from torch import nn

from retia.errors import SupernetError
from retia.supernet.elastic import Elastic, elastic


@elastic(
    nn.Linear,
    nn.modules.linear.NonDynamicallyQuantizableLinear,  # the output projection of nn.MultiheadAttention
    nn.Bilinear,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.PReLU,
)
class ElasticPrefix(Elastic):
    """A layer that uses its first channels, features or rows, which all widths share.

    Reference:
        Yu et al., Slimmable Neural Networks, ICLR 2019, section 3.
    """

    outputs = 0


@elastic(nn.Embedding, nn.EmbeddingBag)
class ElasticEmbedding(Elastic):
    """A table that uses its first rows and features."""

    outputs = 1

    sparse: bool

    def prepare(self) -> None:
        """Reject sparse gradients, which only a whole table can have.

        Raises:
            SupernetError: If `sparse` is True.
        """
        if self.sparse:
            msg = (
                "its gradients are sparse, which torch can't put into a part of a table. "
                "Leave out sparse=True, or give the table a constant size."
            )
            raise SupernetError(msg)


@elastic(nn.ParameterList, nn.ParameterDict)
class ElasticParameters(Elastic):
    """Plain parameters that use their first entries."""


@elastic(nn.GroupNorm)
class ElasticGroupNorm(Elastic):
    """A group normalization over the first channels."""

    outputs = 0
    divides = (("num_groups", "num_channels"),)
