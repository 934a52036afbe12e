"""Published model spaces in plain PyTorch, and the models that searches of them were reported to find."""

from retia.hub.autoformer import AutoFormer, TransformerSizes
from retia.hub.catalog import architecture, get, load, published
from retia.hub.darts import Darts
from retia.hub.layers import DropPath
from retia.hub.mobilenetv3 import MobileNetV3
from retia.hub.nasbench201 import NasBench201, nasbench201_architecture, nasbench201_string
from retia.hub.published import Published
from retia.hub.stage import Stage

__all__ = [
    "AutoFormer",
    "Darts",
    "DropPath",
    "MobileNetV3",
    "NasBench201",
    "Published",
    "Stage",
    "TransformerSizes",
    "architecture",
    "get",
    "load",
    "nasbench201_architecture",
    "nasbench201_string",
    "published",
]
