"""Forward passes in training mode that do not update running statistics."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

__all__ = ["running_statistics_kept"]


@contextmanager
def running_statistics_kept(modules: Iterable[nn.Module]) -> Generator[None]:
    """Keep the running statistics of normalization layers fixed; their outputs stay the same.

    No statistics are copied: in training mode, a batch norm normalizes by the batch in any case.

    Args:
        modules: Modules that contain the layers, such as a supernet. One may be part of another.
    """
    norms = [
        norm
        for module in modules
        for norm in module.modules()
        if isinstance(norm, _NormBase) and norm.training and norm.track_running_stats
    ]
    before = [(norm, norm.track_running_stats, norm.momentum) for norm in norms]
    try:
        for norm in norms:
            if isinstance(norm, _BatchNorm):
                norm.track_running_stats = False
            else:  # tracking decides how an instance norm normalizes, so its momentum is changed instead
                norm.momentum = 0.0
        yield
    finally:
        for norm, tracks, momentum in reversed(before):
            norm.track_running_stats, norm.momentum = tracks, momentum
