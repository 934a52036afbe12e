"""Forward passes in training mode that leave running statistics alone."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

__all__ = ["running_statistics_kept"]


@contextmanager
def running_statistics_kept(modules: Iterable[nn.Module]) -> Generator[None]:
    """Let the normalization layers of modules compute as they would, but keep their running statistics.

    Nothing is copied: a batch norm that is trained normalizes by the batch whether it tracks statistics or
    not.

    Args:
        modules: The modules, such as a supernet's; one may be part of another.
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
            # an instance norm that tracks none would normalize otherwise when it is not trained, and is told
            # how much to take over instead
            else:
                norm.momentum = 0.0
        yield
    finally:
        for norm, tracks, momentum in reversed(before):
            norm.track_running_stats, norm.momentum = tracks, momentum
