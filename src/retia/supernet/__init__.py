"""Supernets: one set of weights for every architecture of a model space."""

from retia.supernet.attention import ElasticAttention
from retia.supernet.convolution import ElasticConvolution, ElasticTransposedConvolution
from retia.supernet.elastic import Elastic, elastic, prefix, window
from retia.supernet.layers import ElasticEmbedding, ElasticGroupNorm, ElasticParameters, ElasticPrefix
from retia.supernet.pretrained import load_pretrained
from retia.supernet.recalibration import recalibrate
from retia.supernet.recurrent import ElasticCell, ElasticRecurrent
from retia.supernet.supernet import Supernet
from retia.supernet.usage import Use

__all__ = [
    "Elastic",
    "ElasticAttention",
    "ElasticCell",
    "ElasticConvolution",
    "ElasticEmbedding",
    "ElasticGroupNorm",
    "ElasticParameters",
    "ElasticPrefix",
    "ElasticRecurrent",
    "ElasticTransposedConvolution",
    "Supernet",
    "Use",
    "elastic",
    "load_pretrained",
    "prefix",
    "recalibrate",
    "window",
]
