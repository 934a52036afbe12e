"""Supernets: one set of weights for every architecture of a model space."""

import retia.supernet.attention
import retia.supernet.convolution
import retia.supernet.layers
import retia.supernet.recurrent  # noqa: F401  # these register how layers are elastic
from retia.supernet.elastic import Elastic, elastic, prefix
from retia.supernet.pretrained import load_pretrained
from retia.supernet.recalibration import recalibrate
from retia.supernet.supernet import Supernet
from retia.supernet.usage import Use

__all__ = ["Elastic", "Supernet", "Use", "elastic", "load_pretrained", "prefix", "recalibrate"]
