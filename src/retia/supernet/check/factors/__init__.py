"""The order of the factors of sizes, observed in runs: `3 * width` as blocks, or interleaved."""

from retia.supernet.check.factors.orders import FactorOrders
from retia.supernet.check.factors.recorder import AxisRecorder

__all__ = ["AxisRecorder", "FactorOrders"]
